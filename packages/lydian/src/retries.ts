import { type Duration, durationMs } from "./duration.ts";
import { InvalidError } from "./errors.ts";
import { showValue } from "./show-value.ts";

export interface RetriesOptions {
  /** Attempts after the first one; 0 to 100. */
  readonly maxRetries: number;
  /** Delay before the first retry. Default "1s". */
  readonly initialDelay?: Duration;
  /** What each delay is multiplied with for the next; 1 to 10. Default 2. */
  readonly backoffCoefficient?: number;
  /** No delay is longer. Default "60s". */
  readonly maxDelay?: Duration;
}

/**
 * When an attempt that threw or timed out is made again, by the server.
 *
 * @example
 * app.function({ retries: new Retries({ maxRetries: 5, initialDelay: "500ms" }) }, async (url: string) => fetchPage(url));
 */
export class Retries {
  readonly maxRetries: number;
  readonly initialDelayMs: number;
  readonly backoffCoefficient: number;
  readonly maxDelayMs: number;

  constructor(options: RetriesOptions) {
    const { maxRetries, initialDelay = "1s", backoffCoefficient = 2, maxDelay = "60s" } = options;
    if (!Number.isInteger(maxRetries) || maxRetries < 0 || maxRetries > 100)
      throw new InvalidError(`maxRetries is ${maxRetries}; it must be a whole number from 0 to 100.`);
    if (!(backoffCoefficient >= 1 && backoffCoefficient <= 10))
      throw new InvalidError(`backoffCoefficient is ${backoffCoefficient}; it must be from 1 to 10.`);
    this.maxRetries = maxRetries;
    this.initialDelayMs = delayMs(initialDelay, "initialDelay");
    this.backoffCoefficient = backoffCoefficient;
    this.maxDelayMs = delayMs(maxDelay, "maxDelay");
  }
}

/** The wire has whole milliseconds. */
function delayMs(delay: Duration, what: string): number {
  const ms = Math.ceil(durationMs(delay, what));
  if (ms <= 86_400_000) return ms;
  throw new InvalidError(`${what} is ${showValue(delay)}; it must be at most 24 hours.`);
}
