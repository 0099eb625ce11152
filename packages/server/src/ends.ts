/** What must be ended when the server stops or its start fails, last one first. One failing end does not keep the others. */
export class Ends {
  readonly #steps: (() => unknown)[] = [];

  defer(end: () => unknown): void {
    this.#steps.push(end);
  }

  /** Rejects with the first failure, after all have been tried. */
  async end(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
