// Who is being given the output of a process. Clients that print what comes stop printing when they learn that the process has ended.
import { setImmediate } from "node:timers/promises";
import { Wakeup } from "../calls/wakeup.ts";

/** A client sends both calls in one go. */
const FIRST_MS = 10;

export class Readers {
  readonly #changed = new Wakeup();
  #count = 0;
  #came = false;

  /** Until it is disposed of: when all has been given, or the reader has left. */
  enter(): Disposable {
    this.#count += 1;
    this.#came = true;
    this.#changed.wake();
    return {
      [Symbol.dispose]: () => {
        this.#count -= 1;
        this.#changed.wake();
      },
    };
  }

  /**
   * Resolves when what they were given is on its way, at the latest after `withinMs`: one that does not read holds nobody up for longer.
   * Who is the first may be about to come: those who print output ask for its end first.
   */
  async served(withinMs: number, ...signals: readonly AbortSignal[]): Promise<void> {
    if (!this.#came) await this.#changed.wait(FIRST_MS, ...signals);
    if (this.#count === 0) return;
    const over = AbortSignal.timeout(withinMs);
    while (this.#count > 0 && ![over, ...signals].some((signal) => signal.aborted)) await this.#changed.wait(withinMs, over, ...signals);
    // The end of their streams is written after they have left.
    await setImmediate();
  }
}
