import type { RunEvent } from "../../run/start-app.ts";

/** Shows a run to whoever watches. */
export interface Display {
  event(event: RunEvent): void;
  /** One sentence about a phase, e.g. "starting the embedded server". */
  status(text: string): void;
  /** The value of a called function. */
  result(value: unknown): void;
  /** Gives the terminal back. Idempotent. */
  close(): void;
}

/** Streams of the process, or strings in tests. */
export interface Streams {
  readonly stdout: { readonly isTTY?: boolean; write(text: string): unknown };
  readonly stderr: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
}

export interface DisplayOptions {
  readonly streams: Streams;
  readonly quiet: boolean;
  readonly json: boolean;
  /** Milliseconds of a clock that does not go back. */
  readonly now: () => number;
}
