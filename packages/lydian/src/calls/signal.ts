/** One waiter, woken by the next notification; one that comes before the wait is not lost. */
export class Signal {
  #resume: (() => void) | undefined;
  #pending = false;

  notify(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    if (resume) resume();
    else this.#pending = true;
  }

  async next(): Promise<void> {
    if (this.#pending) {
      this.#pending = false;
      return;
    }
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
    });
  }
}
