// Everything that waits for a time shares one timer: a timer per input would cost more than the input.
// A binary heap whose entries know their place, so that the usual case, a deadline that never comes, is removed at once.

/** Time, given from outside so that a simulation can turn it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `wake` once, `ms` from now. Returns what takes it back. */
  after(ms: number, wake: () => void): () => void;
}

export const systemClock: Clock = {
  now: Date.now,
  after(ms, wake) {
    const timer = setTimeout(wake, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A moment at which something happens, unless it is taken back. */
export interface Deadline {
  readonly at: number;
}

class Entry implements Deadline {
  readonly at: number;
  readonly fire: () => void;
  /** Place in the heap; -1 when not in it. */
  place = -1;

  constructor(at: number, fire: () => void) {
    this.at = at;
    this.fire = fire;
  }
}

/** Longest time a timer of Node can hold. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class Deadlines {
  readonly #clock: Clock;
  readonly #heap: Entry[] = [];
  readonly #onError: (error: unknown) => void;
  #timerAt = Number.POSITIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#onError = onError;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Calls `fire` at `at`, or at once (but not before this returns) when that has passed. */
  add(at: number, fire: () => void): Deadline {
    const entry = new Entry(at, fire);
    if (this.#closed) return entry;
    entry.place = this.#heap.length;
    this.#heap.push(entry);
    this.#rise(entry);
    if (at < this.#timerAt) this.#arm(at);
    return entry;
  }

  /** No effect on one that has passed or was taken back. */
  cancel(deadline: Deadline | undefined): void {
    if (!(deadline instanceof Entry) || deadline.place < 0) return;
    this.#remove(deadline);
  }

  /** Takes everything back; later ones never fire. */
  close(): void {
    this.#closed = true;
    this.#heap.length = 0;
    this.#cancelTimer?.();
  }

  #arm(at: number): void {
    this.#cancelTimer?.();
    this.#timerAt = at;
    const ms = Math.min(MAX_TIMER_MS, Math.max(0, at - this.#clock.now()));
    this.#cancelTimer = this.#clock.after(ms, () => this.#fireDue());
  }

  #fireDue(): void {
    this.#cancelTimer = undefined;
    // Nothing added by what fires arms a timer of its own meanwhile.
    this.#timerAt = Number.NEGATIVE_INFINITY;
    const now = this.#clock.now();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#remove(first);
      try {
        first.fire();
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#timerAt = Number.POSITIVE_INFINITY;
    const next = this.#heap[0];
    if (next !== undefined) this.#arm(next.at);
  }

  #remove(entry: Entry): void {
    const { place } = entry;
    entry.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return;
    this.#heap[place] = last;
    last.place = place;
    this.#sink(last);
    this.#rise(last);
  }

  #rise(entry: Entry): void {
    const heap = this.#heap;
    let { place } = entry;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.at <= entry.at) break;
      heap[place] = parent;
      parent.place = place;
      place = above;
    }
    heap[place] = entry;
    entry.place = place;
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    let { place } = entry;
    for (;;) {
      let below = 2 * place + 1;
      let child = heap[below];
      if (child === undefined) break;
      const right = heap[below + 1];
      if (right !== undefined && right.at < child.at) {
        child = right;
        below++;
      }
      if (child.at >= entry.at) break;
      heap[place] = child;
      child.place = place;
      place = below;
    }
    heap[place] = entry;
    entry.place = place;
  }
}
