// What can end a call before the server does: the caller's signal, the deadline, the closing connection.
import type { Bag, Bagged } from "../bag.ts";
import { LydianError } from "../errors.ts";
import { MAX_TIMER_MS } from "./timeout.ts";

export class CallScope implements Bagged {
  place = -1;
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  readonly #deadlineAt: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #owner: Bag<CallScope>;
  /** Who waits now: an attempt on the wire or the pause before the next. */
  #onStop: (() => void) | undefined;
  /** Why the call was ended, once it was. */
  #stopped: LydianError | undefined;

  constructor(path: string, signal: AbortSignal | undefined, timeoutMs: number | undefined, owner: Bag<CallScope>) {
    this.#path = path;
    this.#signal = signal;
    this.#owner = owner;
    owner.add(this);
    if (signal !== undefined) {
      if (signal.aborted) this.#onAbort();
      else signal.addEventListener("abort", this.#onAbort);
    }
    if (timeoutMs !== undefined) {
      this.#deadlineAt = performance.now() + timeoutMs;
      const elapsed = () => this.stop(new LydianError("deadline_exceeded", `${path} was not answered within ${timeoutMs} ms`));
      this.#timer = setTimeout(elapsed, Math.min(timeoutMs, MAX_TIMER_MS));
    }
  }

  get stopped(): boolean {
    return this.#stopped !== undefined;
  }

  /** Undefined without a deadline. */
  get remainingMs(): number | undefined {
    return this.#deadlineAt === undefined ? undefined : this.#deadlineAt - performance.now();
  }

  stop(reason: LydianError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = reason;
    this.#onStop?.();
  }

  /** Calls back when the call is ended from outside. One waiter at a time. */
  whenStopped(callback: (() => void) | undefined): void {
    this.#onStop = callback;
  }

  /** Throws the reason when the call was ended, with the stack of whoever waits for it. */
  check(): void {
    const reason = this.#stopped;
    if (reason === undefined) return;
    throw new LydianError(reason.code, reason.message, { cause: reason.cause, hint: reason.hint });
  }

  async pause(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.whenStopped(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.whenStopped(undefined);
    this.check();
  }

  /** Must be called when the call is over. */
  end(): void {
    this.#owner.delete(this);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    clearTimeout(this.#timer);
  }

  readonly #onAbort = (): void => {
    this.stop(new LydianError("cancelled", `${this.#path} was cancelled by its caller`, { cause: this.#signal?.reason }));
  };
}
