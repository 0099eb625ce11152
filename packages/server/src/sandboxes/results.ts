// How sandboxes end, as clients are told: each result says what happened and which rule it was.

import { constants } from "node:os";
import type { Exit } from "@lydian/containers";
import { GenericResult_GenericStatus as Status } from "@lydian/protocol";

export interface SandboxResult {
  readonly status: Status;
  readonly exitCode: number;
  /** Empty when the status says it all. */
  readonly exception: string;
}

const SIGNAL_BASE = 128;
const OUT_OF_MEMORY = "It was ended by the kernel: it used more memory than its limit.";

export function exited({ code, signal, oomKilled }: Exit): SandboxResult {
  const exitCode = code ?? SIGNAL_BASE + (constants.signals[signal as NodeJS.Signals] ?? 0);
  if (exitCode === 0) return { status: Status.SUCCESS, exitCode, exception: "" };
  if (oomKilled) return { status: Status.KERNEL_OOM_KILL, exitCode, exception: OUT_OF_MEMORY };
  return { status: Status.FAILURE, exitCode, exception: "" };
}

export const terminated = (reason: string): SandboxResult => ({ status: Status.TERMINATED, exitCode: 137, exception: reason });

export const timedOut = (timeoutMs: number): SandboxResult => ({
  status: Status.TIMEOUT,
  exitCode: 124,
  exception: `It ran for its timeout of ${timeoutMs / 1000} s. Create it with a longer \`timeout\` if it needs more.`,
});

export const idledOut = (idleMs: number): SandboxResult => ({
  status: Status.IDLE_TIMEOUT,
  exitCode: 137,
  exception: `Nothing ran in it and nobody used it for its idle timeout of ${idleMs / 1000} s.`,
});

export const notStarted = (reason: string): SandboxResult => ({ status: Status.INIT_FAILURE, exitCode: 1, exception: reason });
