// Grows a buffer and writes CBOR heads, strings and floats into it.

const SCRATCH_BYTES = 16 * 1024;
/** Reused between encodings; absent while one is using it (a toJSON may encode, too). */
let scratch: Buffer | undefined;

export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor() {
    this.#buffer = scratch ?? Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    scratch = undefined;
  }

  get length(): number {
    return this.#length;
  }

  /** The bytes written. The writer must not be used afterwards. */
  finish(): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffer;
    if (buffer.byteLength > SCRATCH_BYTES) return new Uint8Array(buffer.buffer as ArrayBuffer, 0, this.#length);
    scratch = buffer;
    return new Uint8Array(buffer.subarray(0, this.#length));
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  /** Major type (0-7) and argument, a safe integer. */
  head(major: number, argument: number): void {
    this.#reserve(9);
    const buffer = this.#buffer;
    const type = major << 5;
    if (argument < 24) {
      buffer[this.#length++] = type | argument;
    } else if (argument < 0x100) {
      buffer[this.#length++] = type | 24;
      buffer[this.#length++] = argument;
    } else if (argument < 0x10000) {
      buffer[this.#length++] = type | 25;
      this.#length = buffer.writeUInt16BE(argument, this.#length);
    } else if (argument < 0x100000000) {
      buffer[this.#length++] = type | 26;
      this.#length = buffer.writeUInt32BE(argument, this.#length);
    } else {
      buffer[this.#length++] = type | 27;
      this.#length = buffer.writeUInt32BE(Math.floor(argument / 0x100000000), this.#length);
      this.#length = buffer.writeUInt32BE(argument >>> 0, this.#length);
    }
  }

  /** A head with a 64-bit argument. */
  head64(major: number, argument: bigint): void {
    this.#reserve(9);
    this.#buffer[this.#length++] = (major << 5) | 27;
    this.#length = this.#buffer.writeBigUInt64BE(argument, this.#length);
  }

  float64(value: number): void {
    this.#reserve(9);
    this.#buffer[this.#length++] = 0xfb;
    this.#length = this.#buffer.writeDoubleBE(value, this.#length);
  }

  bytes(value: Uint8Array): void {
    this.head(2, value.byteLength);
    this.raw(value);
  }

  /** Bytes that are CBOR already. */
  raw(value: Uint8Array): void {
    this.#reserve(value.byteLength);
    this.#buffer.set(value, this.#length);
    this.#length += value.byteLength;
  }

  /** A well-formed string. */
  text(value: string): void {
    if (value.length < 24 && this.#shortAscii(value)) return;
    const byteLength = Buffer.byteLength(value);
    this.head(3, byteLength);
    this.#reserve(byteLength);
    this.#length += this.#buffer.write(value, this.#length, byteLength, "utf8");
  }

  /** Keys and small values, without a call into native code. */
  #shortAscii(value: string): boolean {
    const size = value.length;
    this.#reserve(size + 1);
    const buffer = this.#buffer;
    const start = this.#length + 1;
    for (let i = 0; i < size; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) return false;
      buffer[start + i] = unit;
    }
    buffer[this.#length] = 0x60 | size;
    this.#length = start + size;
    return true;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.byteLength) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.byteLength * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
