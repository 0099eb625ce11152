// Things that come and go some ten thousand times a second: calls in flight, inputs that run.
//
// Why not a Set: it changes its table again and again, each old table points to the next, and one of them that has become old enough keeps
// all that follow, with what was in them, until the next full garbage collection. That was a third of a busy container's time.

/** What can be in one `Bag` at a time. The bag keeps its place in it; -1: in none. */
export interface Bagged {
  place: number;
}

/** A set without an order, in an array. */
export class Bag<T extends Bagged> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The item must be in no bag. */
  add(item: T): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  /** No effect on what is not in it. */
  delete(item: T): void {
    const { place } = item;
    if (this.#items[place] !== item) return;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#items[place] = last;
    last.place = place;
  }

  /** Over what is in it now, whatever is added or deleted meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return [...this.#items][Symbol.iterator]();
  }
}
