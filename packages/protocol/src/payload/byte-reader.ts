// A cursor over CBOR bytes that never reads past their end.
import { SerializationError } from "./serialization-error.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CACHED_STRINGS = 512;
const CACHED_LENGTH = 24;
// Payloads repeat their keys: short strings by a hash of their bytes, the latest of each.
const STRINGS: (string | undefined)[] = new Array<string | undefined>(CACHED_STRINGS).fill(undefined);

export class ByteReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  fail(what: string, cause?: unknown): never {
    throw new SerializationError(`bad payload: ${what} at byte ${this.#position}`, cause === undefined ? {} : { cause });
  }

  byte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) return this.fail("it ends too early");
    this.#position++;
    return byte;
  }

  /** Consumes the end mark of an indefinite item if it is next. */
  atBreak(): boolean {
    if (this.#bytes[this.#position] !== 0xff) return false;
    this.#position++;
    return true;
  }

  /** The argument of a head: a number, or a bigint above 2^53-1. */
  argument(info: number): number | bigint {
    if (info < 24) return info;
    if (info > 27) return this.fail(`length ${info} is reserved or not allowed here`);
    const start = this.#advance(2 ** (info - 24));
    if (info === 24) return this.#bytes[start] ?? 0;
    if (info === 25) return this.#bytes.readUInt16BE(start);
    if (info === 26) return this.#bytes.readUInt32BE(start);
    const high = this.#bytes.readUInt32BE(start);
    if (high >= 0x200000) return this.#bytes.readBigUInt64BE(start);
    return high * 0x100000000 + this.#bytes.readUInt32BE(start + 4);
  }

  /** An argument that counts something; more than there are bytes is refused before anything is made for it. */
  count(info: number): number {
    const count = this.argument(info);
    if (typeof count === "bigint" || count > this.remaining) return this.fail(`a length of ${count} goes beyond the end`);
    return count;
  }

  float(size: 2 | 4 | 8): number {
    const start = this.#advance(size);
    if (size === 8) return this.#bytes.readDoubleBE(start);
    if (size === 4) return this.#bytes.readFloatBE(start);
    return float16(this.#bytes.readUInt16BE(start));
  }

  /** A copy, so that it neither pins nor shares the message it came in. */
  bytes(info: number): Uint8Array<ArrayBuffer> {
    if (info !== 31) return new Uint8Array(this.#slice(this.count(info)));
    return new Uint8Array(Buffer.concat(this.#chunks(2)));
  }

  text(info: number): string {
    if (info === 31) {
      let text = "";
      for (const chunk of this.#chunks(3)) text += this.#utf8(chunk); // Each must be valid by itself.
      return text;
    }
    const length = this.count(info);
    return (length < CACHED_LENGTH ? this.#shortText(length) : undefined) ?? this.#utf8(this.#slice(length));
  }

  #shortText(length: number): string | undefined {
    const bytes = this.#bytes;
    const start = this.#position;
    const end = start + length;
    let hash = length;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] ?? 0;
      if (byte > 0x7f) return undefined;
      hash = (hash * 31 + byte) | 0;
    }
    this.#position = end;
    const slot = hash & (CACHED_STRINGS - 1);
    const cached = STRINGS[slot];
    if (cached !== undefined && cached.length === length && this.#equals(cached, start)) return cached;
    const text = bytes.toString("latin1", start, end);
    STRINGS[slot] = text;
    return text;
  }

  #equals(text: string, start: number): boolean {
    for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== this.#bytes[start + i]) return false;
    return true;
  }

  #chunks(major: number): Buffer[] {
    const chunks: Buffer[] = [];
    while (!this.atBreak()) {
      const head = this.byte();
      if (head >> 5 !== major || (head & 31) === 31) this.fail("a string has a chunk of another kind");
      chunks.push(this.#slice(this.count(head & 31)));
    }
    return chunks;
  }

  #utf8(bytes: Uint8Array): string {
    try {
      return UTF8.decode(bytes);
    } catch (cause) {
      return this.fail("a string is no valid UTF-8", cause);
    }
  }

  #slice(length: number): Buffer {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  #advance(length: number): number {
    if (length > this.remaining) this.fail("it ends too early");
    const start = this.#position;
    this.#position += length;
    return start;
  }
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
