import type { LiveInput } from "../calls/live-call.ts";

/** Running inputs of one function by the time at which they have run too long. All have the same limit, so the order of arrival is the order of ends. */
export class Deadlines {
  readonly #limitMs: number;
  readonly #now: () => number;
  readonly #onTimeout: (inputs: LiveInput[]) => void;
  readonly #ends = new Map<LiveInput, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number, now: () => number, onTimeout: (inputs: LiveInput[]) => void) {
    this.#limitMs = limitMs;
    this.#now = now;
    this.#onTimeout = onTimeout;
  }

  add(input: LiveInput): void {
    this.#ends.delete(input);
    this.#ends.set(input, this.#now() + this.#limitMs);
    if (!this.#timer) this.#arm(this.#limitMs);
  }

  delete(input: LiveInput): void {
    this.#ends.delete(input);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#ends.clear();
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(delayMs, 1), 2_000_000_000));
    this.#timer.unref();
  }

  #fire(): void {
    this.#timer = undefined;
    const now = this.#now();
    const over: LiveInput[] = [];
    for (const [input, end] of this.#ends) {
      if (end > now) {
        this.#arm(end - now);
        break;
      }
      this.#ends.delete(input);
      over.push(input);
    }
    if (over.length > 0) this.#onTimeout(over);
  }
}
