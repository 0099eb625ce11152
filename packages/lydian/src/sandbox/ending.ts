// How a sandbox, or a container in one, ended.
import { type GenericResult, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { ContainerLostError, ContainerStartError, type LydianError, OutOfMemoryError } from "../errors.ts";
import { SandboxTerminatedError, SandboxTimeoutError } from "./sandbox-errors.ts";

export interface Ending {
  /** 124 after its timeout, 137 when it was terminated or was idle for too long. */
  readonly exitCode: number;
  /** What is thrown to whoever waits; undefined for an end of its own. */
  readonly error: LydianError | undefined;
}

const CODE_OF_TIMEOUT = 124;
const CODE_OF_KILL = 137;

/** Undefined while it runs. `what`: for messages, e.g. "The sandbox sb-1". */
export function endingOf(result: GenericResult | undefined, what: string): Ending | undefined {
  if (!result || result.status === Status.UNSPECIFIED) return undefined;
  const { status, exitcode, exception } = result;
  const because = exception === "" ? "." : `: ${exception}`;
  switch (status) {
    case Status.TIMEOUT:
      return { exitCode: CODE_OF_TIMEOUT, error: new SandboxTimeoutError(`${what} ran longer than its timeout${because}`) };
    case Status.IDLE_TIMEOUT:
      return { exitCode: exitcode || CODE_OF_KILL, error: new SandboxTimeoutError(`${what} was idle for too long${because}`) };
    case Status.TERMINATED:
      return { exitCode: CODE_OF_KILL, error: new SandboxTerminatedError(`${what} was terminated${because}`) };
    case Status.INIT_FAILURE:
      return { exitCode: exitcode || 1, error: new ContainerStartError(`${what} could not start${because}`) };
    case Status.INTERNAL_FAILURE:
      return { exitCode: exitcode || 1, error: new ContainerLostError(`${what} was lost${because}`) };
    case Status.KERNEL_OOM_KILL:
    case Status.MEMORY_MANAGER_EVICTION:
    case Status.MEMORY_THRASHING_EVICTION:
      return { exitCode: exitcode || CODE_OF_KILL, error: new OutOfMemoryError(`${what} exceeded its memory${because}`) };
    default:
      return { exitCode: exitcode, error: undefined };
  }
}
