// gRPC's message framing: one byte of flags, four bytes of length, the message. We neither send nor accept compression.
import { LydianError } from "../errors.ts";

const PREFIX_BYTES = 5;
// Below this, one copy is cheaper than a second chunk on the stream.
const COPY_BELOW_BYTES = 64 * 1024;

export const DEFAULT_MAX_MESSAGE_BYTES = 128 * 1024 * 1024;

/** The bytes to write for a message, as one chunk or, for a large one, as prefix and message. */
export function frame(message: Uint8Array): readonly Uint8Array[] {
  const copy = message.byteLength < COPY_BELOW_BYTES;
  const head = Buffer.allocUnsafe(copy ? PREFIX_BYTES + message.byteLength : PREFIX_BYTES);
  head[0] = 0;
  head.writeUInt32BE(message.byteLength, 1);
  if (!copy) return [head, message];
  head.set(message, PREFIX_BYTES);
  return [head];
}

export function checkSize(bytes: number, maxBytes: number, what: "request" | "response"): void {
  if (bytes > maxBytes) {
    throw new LydianError("resource_exhausted", `the ${what} has ${bytes} bytes, more than the ${maxBytes} that one message may have`);
  }
}

/**
 * Cuts a byte stream into messages. A message that lies in one chunk is a view of it; a longer one is gathered into a buffer of its
 * announced size, which costs address space, not memory, until the bytes arrive.
 */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #what: "request" | "response";
  /** Bytes before a complete prefix, or undefined. */
  #rest: Uint8Array | undefined;
  #body: Buffer | undefined;
  #filled = 0;

  constructor(maxBytes: number, what: "request" | "response") {
    this.#maxBytes = maxBytes;
    this.#what = what;
  }

  /** True between messages. */
  get atBoundary(): boolean {
    return this.#rest === undefined && this.#body === undefined;
  }

  /** The messages that `chunk` completes. Throws LydianError for one over the limit or compressed. */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let input = chunk;
    while (input.byteLength > 0) {
      if (this.#body !== undefined) {
        input = this.#fill(this.#body, input, messages);
        continue;
      }
      if (this.#rest !== undefined) {
        input = Buffer.concat([this.#rest, input]);
        this.#rest = undefined;
      }
      if (input.byteLength < PREFIX_BYTES) {
        this.#rest = input;
        break;
      }
      const length = this.#readPrefix(input);
      const end = PREFIX_BYTES + length;
      if (input.byteLength >= end) {
        messages.push(input.subarray(PREFIX_BYTES, end));
        input = input.subarray(end);
      } else {
        this.#body = Buffer.allocUnsafeSlow(length);
        this.#filled = 0;
        input = this.#fill(this.#body, input.subarray(PREFIX_BYTES), messages);
      }
    }
    return messages;
  }

  #fill(body: Buffer, input: Uint8Array, messages: Uint8Array[]): Uint8Array {
    const take = Math.min(body.byteLength - this.#filled, input.byteLength);
    body.set(input.subarray(0, take), this.#filled);
    this.#filled += take;
    if (this.#filled === body.byteLength) {
      messages.push(body);
      this.#body = undefined;
    }
    return input.subarray(take);
  }

  #readPrefix(input: Uint8Array): number {
    const [flags = 0, a = 0, b = 0, c = 0, d = 0] = input;
    if (flags !== 0) throw new LydianError("unimplemented", `the ${this.#what} is compressed (flags ${flags}); only identity is accepted`);
    const length = a * 0x1000000 + ((b << 16) | (c << 8) | d);
    checkSize(length, this.#maxBytes, this.#what);
    return length;
  }
}
