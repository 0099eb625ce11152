import { InvalidError } from "../errors.ts";

/** One piece on its way. `offset`: bytes before it. What is sent again is taken once. */
export type SendInput = (piece: { readonly offset: bigint; readonly data: Uint8Array; readonly eof: boolean }) => Promise<unknown>;

/** Larger ones travel in pieces. */
const MAX_PIECE_BYTES = 1 << 20;
const NOTHING = new Uint8Array();

/**
 * What a process reads.
 *
 * @example
 * const sort = sandbox.exec(["sort"]);
 * await sort.stdin.write("b\na\n");
 * await sort.stdin.end();
 */
export class InputStream {
  readonly #send: SendInput;
  #offset = 0n;
  #isEnded = false;
  /** Pieces go one after the other, whoever awaits them. After one that failed nothing is sent: nobody knows how much of it arrived. */
  #last: Promise<void> = Promise.resolve();

  constructor(send: SendInput) {
    this.#send = send;
  }

  /** Resolves when it was handed on; rejects when the process reads no more. */
  write(data: string | Uint8Array): Promise<void> {
    return this.#add(bytesOf(data), false);
  }

  /** The end of the input, after `data` if there is some. A second end is none. */
  end(data: string | Uint8Array = NOTHING): Promise<void> {
    const bytes = bytesOf(data);
    if (this.#isEnded && bytes.length === 0) return this.#last;
    return this.#add(bytes, true);
  }

  /** As a stream of the web platform. */
  get web(): WritableStream<string | Uint8Array> {
    return new WritableStream({ write: (chunk) => this.write(chunk), close: () => this.end() });
  }

  #add(data: Uint8Array, eof: boolean): Promise<void> {
    if (this.#isEnded) return Promise.reject(new InvalidError("The input was ended, so nothing can be written to it."));
    if (eof) this.#isEnded = true;
    this.#last = this.#last.then(() => this.#pieces(data, eof));
    // Whoever awaits it is told; who does not must not end the program.
    this.#last.catch(() => undefined);
    return this.#last;
  }

  async #pieces(data: Uint8Array, eof: boolean): Promise<void> {
    let rest = data;
    while (rest.length > MAX_PIECE_BYTES) {
      await this.#piece(rest.subarray(0, MAX_PIECE_BYTES), false);
      rest = rest.subarray(MAX_PIECE_BYTES);
    }
    if (rest.length > 0 || eof) await this.#piece(rest, eof);
  }

  async #piece(data: Uint8Array, eof: boolean): Promise<void> {
    await this.#send({ offset: this.#offset, data, eof });
    this.#offset += BigInt(data.length);
  }
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  if (typeof data === "string") return new TextEncoder().encode(data);
  if (data instanceof Uint8Array) return data;
  throw new InvalidError(`What is written must be a string or a Uint8Array, not ${typeof data}.`);
}
