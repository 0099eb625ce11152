// Freezes the processes of one sandbox and lets them go on. Whoever needs them does the latter first, so that nobody has to know.
import type { Container } from "@lydian/containers";

export class Freezer {
  readonly #container: () => Promise<Pick<Container, "pause" | "resume">>;
  #isFrozen = false;
  /** Changes follow each other. */
  #last: Promise<void> = Promise.resolve();
  #changes = 0;

  constructor(container: () => Promise<Pick<Container, "pause" | "resume">>) {
    this.#container = container;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Resolves when none runs any more, or when that is not wanted any more at the moment when it would be done. */
  freeze(isWanted: () => boolean = () => true): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isFrozen || !isWanted()) return;
      await (await this.#container()).pause();
      this.#isFrozen = true;
    });
  }

  /** Resolves when they run, or at once when nobody has frozen them. */
  thaw(): Promise<void> {
    if (!this.#isFrozen && this.#changes === 0) return Promise.resolve();
    return this.#inTurn(async () => {
      if (!this.#isFrozen) return;
      await (await this.#container()).resume();
      this.#isFrozen = false;
    });
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    this.#changes += 1;
    const done = this.#last.then(change).finally(() => {
      this.#changes -= 1;
    });
    this.#last = done.catch(() => {});
    return done;
  }
}
