// What is said about a container that ended: to the caller whose input it had, and to the people who look at the pool.
import type { Exit } from "@lydian/containers";
import type { Function as FunctionDefinition } from "@lydian/protocol";
import type { ContainerEnd } from "../calls/attempts.ts";
import type { EndReport, PoolContainer } from "./container.ts";
import { limitsOf } from "./plan.ts";

/** What becomes of the inputs it was running. */
export function endOf(container: PoolContainer, report: EndReport, definition: FunctionDefinition): ContainerEnd {
  if (container.stopReason !== undefined) return { kind: "displaced" };
  const oom = report.exit?.oomKilled === true;
  const reason = oom ? oomText(definition) : `The container ${exitText(report)} while it ran this input.`;
  return { kind: oom ? "oom" : "lost", reason: reason + lastLines(report) };
}

/** Why it never took an input. */
export function startFailureText(container: PoolContainer, report: EndReport, definition: FunctionDefinition): string {
  const said = container.startFailure?.exception;
  if (said !== undefined && said !== "") return `The container could not start: ${said}`;
  if (report.startError !== undefined)
    return `The container could not be started: ${report.startError}${aboutEntrypoint(report)}${lastLines(report)}`;
  const what = report.exit?.oomKilled === true ? oomText(definition) : `The container ${exitText(report)} before it was ready.`;
  return what + aboutEntrypoint(report) + lastLines(report);
}

/** An entry point that does not run what it is given is the likeliest reason why nothing was heard of the container. */
function aboutEntrypoint({ entrypoint = [] }: EndReport): string {
  if (entrypoint.length === 0) return "";
  return ` Its image has the entry point ${JSON.stringify(entrypoint)}, which must run the command it is given (in a script: exec "$@"); an empty one takes it away.`;
}

function oomText(definition: FunctionDefinition): string {
  const { memoryMiB } = limitsOf(definition);
  const limit =
    memoryMiB === undefined ? "" : ` The memory limit of the function is ${memoryMiB} MiB; raise its \`memory\` if it needs more.`;
  return `The container was killed by the kernel because it ran out of memory.${limit}`;
}

function exitText({ exit, startError }: EndReport): string {
  if (exit === undefined) return startError === undefined ? "ended" : `failed (${startError})`;
  return exitOf(exit);
}

function exitOf({ code, signal }: Exit): string {
  return signal === undefined ? `exited with code ${code ?? "unknown"}` : `was ended by ${signal}`;
}

function lastLines({ tail }: EndReport): string {
  return tail === "" ? "" : `\nIts last lines:\n${tail}`;
}
