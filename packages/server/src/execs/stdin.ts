// The input of a process, by offset: what a client sends again, because it does not know what arrived, is skipped.
import { LydianError } from "@lydian/protocol";

export interface InputSink {
  /** Resolves when it is handed on; rejects when nobody reads it any more. */
  write(data: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

/** What one stream of input may hold on to. */
export interface InputTurn {
  readonly signal: AbortSignal;
  [Symbol.dispose](): void;
}

export class Stdin {
  readonly #sink: InputSink;
  #written: number;
  #closed: boolean;
  /** Writes follow each other. */
  #last: Promise<void> = Promise.resolve();
  #stream: AbortController | undefined;

  /** `before`: what an earlier server has passed on. */
  constructor(sink: InputSink, before: { readonly written: number; readonly closed: boolean } = { written: 0, closed: false }) {
    this.#sink = sink;
    this.#written = before.written;
    this.#closed = before.closed;
  }

  /** Bytes accepted. */
  get written(): number {
    return this.#written;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Ends the stream of input that is still open: its client asks what arrived, or begins another. */
  takeOver(): InputTurn {
    this.#stream?.abort();
    const controller = new AbortController();
    this.#stream = controller;
    return {
      signal: controller.signal,
      [Symbol.dispose]: () => {
        if (this.#stream === controller) this.#stream = undefined;
      },
    };
  }

  /**
   * `offset`: bytes sent before these. Resolves when the process has been given them. Throws `failed_precondition` for a gap, for bytes
   * after the end, and when the process reads no more.
   */
  write(offset: number, data: Uint8Array, end: boolean): Promise<void> {
    const turn = this.#last.then(() => this.#write(offset, data, end));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #write(offset: number, data: Uint8Array, end: boolean): Promise<void> {
    // An end alone may come with any offset.
    if (data.length > 0) {
      if (offset > this.#written) throw precondition(`Input from byte ${offset} on leaves a gap: ${this.#written} bytes have arrived.`);
      const rest = data.subarray(this.#written - offset);
      if (rest.length > 0) {
        if (this.#closed) throw precondition("The input was ended: nothing can be written to it any more.");
        try {
          await this.#sink.write(rest);
        } catch (cause) {
          throw precondition("The process has ended, or reads no more input.", cause);
        }
        this.#written += rest.length;
      }
    }
    if (!end || this.#closed) return;
    this.#closed = true;
    await this.#sink.end().catch(() => {});
  }
}

function precondition(message: string, cause?: unknown): LydianError {
  return new LydianError("failed_precondition", message, cause === undefined ? {} : { cause });
}
