// What a command gives, for readers that come and go: each piece is given once. Whoever puts one waits until it has been taken.
import { Wakeup } from "../calls/wakeup.ts";

/** How it ended. */
export type Outcome = { readonly error: unknown } | "done";

const LOOK_AGAIN_MS = 3_600_000;

export class Outbox {
  readonly #pieces: Uint8Array[] = [];
  readonly #put = new Wakeup();
  readonly #taken = new Wakeup();
  #outcome: Outcome | undefined;

  /** Rejects when it was ended meanwhile. */
  async put(piece: Uint8Array): Promise<void> {
    this.#pieces.push(piece);
    this.#put.wake();
    while (this.#pieces.includes(piece)) {
      if (this.#outcome !== undefined) throw new Error("Nobody reads this any more.");
      await this.#taken.wait(LOOK_AGAIN_MS);
    }
  }

  /** The first end counts; what is there is still read before it. */
  end(outcome: Outcome): void {
    this.#outcome ??= outcome;
    this.#put.wake();
    this.#taken.wake();
  }

  /** The next piece, or how it ended; undefined when neither comes in time, or before a signal aborts. */
  async next(timeoutMs: number, ...signals: readonly AbortSignal[]): Promise<Uint8Array | Outcome | undefined> {
    const until = Date.now() + timeoutMs;
    while (this.#pieces.length === 0 && this.#outcome === undefined) {
      const restMs = until - Date.now();
      if (restMs <= 0 || signals.some((signal) => signal.aborted)) return undefined;
      await this.#put.wait(restMs, ...signals);
    }
    const piece = this.#pieces.shift();
    this.#taken.wake();
    return piece ?? this.#outcome;
  }
}
