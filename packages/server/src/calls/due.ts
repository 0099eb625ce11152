/** Things that are due at some time, one timer for all of them. A binary heap. */
export class Due<T> {
  readonly #heap: { readonly at: number; readonly item: T }[] = [];
  readonly #now: () => number;
  readonly #onDue: (items: T[]) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(now: () => number, onDue: (items: T[]) => void) {
    this.#now = now;
    this.#onDue = onDue;
  }

  add(at: number, item: T): void {
    const heap = this.#heap;
    let place = heap.length;
    heap.push({ at, item });
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if ((heap[parent]?.at ?? 0) <= at) break;
      this.#swap(place, parent);
      place = parent;
    }
    if (place === 0) this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#heap.length = 0;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const first = this.#heap[0];
    if (!first) return;
    // Longer delays than a timer can hold are re-armed when it fires.
    this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(0, first.at - this.#now()), 2_000_000_000));
    this.#timer.unref();
  }

  #fire(): void {
    const due: T[] = [];
    for (let first = this.#heap[0]; first && first.at <= this.#now(); first = this.#heap[0]) {
      due.push(first.item);
      this.#removeFirst();
    }
    this.#arm();
    if (due.length > 0) this.#onDue(due);
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    heap[0] = last;
    for (let place = 0; ; ) {
      const left = 2 * place + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const child = right < heap.length && (heap[right]?.at ?? 0) < (heap[left]?.at ?? 0) ? right : left;
      if ((heap[child]?.at ?? 0) >= last.at) return;
      this.#swap(place, child);
      place = child;
    }
  }

  #swap(a: number, b: number): void {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (!x || !y) return;
    this.#heap[a] = y;
    this.#heap[b] = x;
  }
}
