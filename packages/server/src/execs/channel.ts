// A pipe inside this process: whoever pushes waits until it has been taken.

export class Channel<T> implements AsyncIterable<T> {
  readonly #queue: { readonly value: T; readonly taken: () => void; readonly refused: (error: Error) => void }[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  /** Resolves when a reader has taken it. Rejects when the channel has ended. */
  push(value: T): Promise<void> {
    if (this.#ended) return Promise.reject(new Error("Nobody reads this any more."));
    return new Promise((taken, refused) => {
      this.#queue.push({ value, taken, refused });
      this.#wake?.();
    });
  }

  /** No more comes; what is there is still read. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** One reader. What is left when it leaves is refused. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      for (;;) {
        const next = this.#queue.shift();
        if (next !== undefined) {
          next.taken();
          yield next.value;
        } else if (this.#ended) return;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      this.#ended = true;
      for (const { refused } of this.#queue.splice(0)) refused(new Error("Nobody reads this any more."));
    }
  }
}
