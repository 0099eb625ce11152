// A container's batch that is not full yet: it waits a little for more inputs of its function.
import type { Delivery } from "../calls/attempts.ts";
import type { PoolContainer } from "./container.ts";

export class Batch {
  readonly container: PoolContainer;
  readonly items: Delivery[];
  readonly #max: number;
  readonly #done: () => void;

  constructor(options: { container: PoolContainer; first: readonly Delivery[]; max: number; done: () => void }) {
    this.container = options.container;
    this.items = [...options.first];
    this.#max = options.max;
    this.#done = options.done;
  }

  /** Inputs that it still takes. */
  get room(): number {
    return this.#max - this.items.length;
  }

  add(items: readonly Delivery[]): void {
    this.items.push(...items);
    if (this.room <= 0) this.end();
  }

  /** It waits no longer. */
  end(): void {
    this.#done();
  }
}
