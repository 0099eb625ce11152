// Whether and when a unary call is tried again. Pure: time and chance are passed in.
import { ERROR_CODES } from "../errors.ts";
import type { Failure } from "./status.ts";

export interface Attempts {
  /** Failed in a row, this one included. */
  readonly failures: number;
  /** Since the first of them. */
  readonly elapsedMs: number;
  /** Bound on `elapsedMs`. */
  readonly retryForMs: number;
}

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 1000;

/**
 * Milliseconds to wait before the next attempt, or undefined to give up. Doubles from 0.1 s to 1 s with up to 20 % taken off by
 * chance (`random` in [0, 1)); a server that names a time is obeyed.
 */
export function retryDelayMs(failure: Failure, attempts: Attempts, random: number): number | undefined {
  if (failure.retryAfterMs === undefined && !ERROR_CODES[failure.code].retryable) return undefined;
  const backoff = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempts.failures - 1, 10)) * (1 - 0.2 * random);
  const delay = failure.retryAfterMs ?? backoff;
  return attempts.elapsedMs + delay <= attempts.retryForMs ? delay : undefined;
}
