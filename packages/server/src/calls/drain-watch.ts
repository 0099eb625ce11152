// Long polls end when the server drains. All calls share one signal for that, and a listener a poll would be thousands on it:
// here there is one, which wakes them all.
export class DrainWatch {
  readonly #seen = new WeakSet<AbortSignal>();
  readonly #drain: () => void;

  constructor(drain: () => void) {
    this.#drain = drain;
  }

  /** To be called with the signal of every long poll. */
  note(draining: AbortSignal): void {
    if (this.#seen.has(draining)) return;
    this.#seen.add(draining);
    if (draining.aborted) this.#drain();
    else draining.addEventListener("abort", () => this.#drain(), { once: true });
  }
}
