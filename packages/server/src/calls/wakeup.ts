// Waiting without polling: whoever waits is woken once by the next change, by its bound, or by a signal.

export class Wakeup {
  #waiting: Set<() => void> | undefined;

  get hasWaiters(): boolean {
    return (this.#waiting?.size ?? 0) > 0;
  }

  wake(): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    this.#waiting = undefined;
    for (const resume of waiting) resume();
  }

  /** Resolves at the next `wake`, after `limitMs`, or when one of the signals is aborted. Never rejects. */
  wait(limitMs: number, ...signals: readonly AbortSignal[]): Promise<void> {
    if (limitMs <= 0 || signals.some((signal) => signal.aborted)) return Promise.resolve();
    return new Promise((resolve) => {
      const resume = () => {
        clearTimeout(timer);
        this.#waiting?.delete(resume);
        for (const signal of signals) signal.removeEventListener("abort", resume);
        resolve();
      };
      const timer = setTimeout(resume, limitMs);
      timer.unref();
      for (const signal of signals) signal.addEventListener("abort", resume, { once: true });
      this.#waiting ??= new Set();
      this.#waiting.add(resume);
    });
  }
}
