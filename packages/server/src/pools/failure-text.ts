// Why a container ended or could not start, for a person.
import type { Exit } from "@lydian/containers";
import { DataFormat, type GenericResult, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import type { Failure } from "../calls/results.ts";
import { containerLimits } from "./settings.ts";
import type { PoolContainer } from "./pool-container.ts";

function exitText(exit: Exit | undefined): string {
  if (!exit) return "ended";
  return exit.signal === undefined ? `exited with code ${exit.code ?? "unknown"}` : `was ended by ${exit.signal}`;
}

function lastLines({ lastLines }: PoolContainer): string {
  return lastLines.length === 0 ? " It printed nothing." : `\nIts last lines:\n${lastLines.map((line) => `  ${line.trimEnd()}`).join("\n")}`;
}

/** The inputs that ran in it get this when they are not run again. */
export function deathFailure(container: PoolContainer): Failure {
  const { exit, record } = container;
  if (exit?.oomKilled) {
    const limit = record && containerLimits(record.definition).memoryMiB;
    return {
      status: Status.KERNEL_OOM_KILL,
      text: `The container ran out of memory${limit === undefined ? "" : `: its limit is ${limit} MiB. Raise the function's \`memory\``}.${lastLines(container)}`,
    };
  }
  const reason = container.stopReason ?? `The container ${exitText(exit)} while it worked on this input.`;
  return { status: Status.INTERNAL_FAILURE, text: `${reason}${lastLines(container)}` };
}

/** A container ended before it could take inputs. */
export function startFailure(container: PoolContainer): Failure {
  const reported = container.startFailure;
  if (reported) return reportedFailure(reported);
  if (container.exit?.oomKilled) return { ...deathFailure(container), status: Status.INIT_FAILURE };
  const reason = container.stopReason ?? `The container ${exitText(container.exit)} before it could take inputs.`;
  return { status: Status.INIT_FAILURE, text: `${reason}${lastLines(container)}` };
}

function reportedFailure(result: GenericResult): Failure {
  const data = result.dataOneof;
  return {
    status: Status.INIT_FAILURE,
    text: result.exception || "The function could not be loaded.",
    traceback: result.traceback,
    ...(data.case === "data" ? { data: data.value, dataFormat: DataFormat.CBOR_TS } : {}),
  };
}
