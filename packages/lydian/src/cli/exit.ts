// How the process ends: one place for exit codes, and the one error that means "you typed it wrong".
export { UsageError } from "../config/usage-error.ts";

/** Exit codes. 130 is what shells expect after Ctrl-C (128 + SIGINT). */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Ends a command with a code after it has said everything itself. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}
