// The wire between the server and the agent. What each frame carries is written down in agent/wire.h, whose numbers these are.

export const WIRE_VERSION = 2;
export const TOKEN_BYTES = 16;
export const SECRET_BYTES = 32;
export const HEADER_BYTES = 5;
/** The agent refuses larger requests. */
export const MAX_REQUEST_BYTES = (4 << 20) - 64;
/** The largest piece in one frame, in both directions. */
export const CHUNK_BYTES = 64 << 10;
/** The server is never further ahead of what a process has read. */
export const STDIN_WINDOW = 256 << 10;
/** Beyond so many bytes a process waits that lives on without its stream, until they are confirmed. */
export const KEPT_WINDOW = 256 << 10;
/** Of what is remembered with such a process, in bytes. */
export const MAX_NOTE_BYTES = 4_096;
/** Instead of an offset: what there is of the stream is not wanted. */
export const NOT_WANTED = 0xffff_ffff_ffff_ffffn;
/** What the agent sends is smaller; what pretends to be the agent is cut off. */
const MAX_PAYLOAD_BYTES = CHUNK_BYTES + 1024;

export const FRAME = {
  hello: 1,
  welcome: 2,
  open: 3,
  token: 4,
  exited: 5,
  refused: 6,
  life: 7,
  forget: 8,
  started: 16,
  failed: 17,
  stdout: 18,
  stderr: 19,
  stdinTaken: 20,
  stdinClosed: 21,
  exit: 22,
  size: 23,
  data: 24,
  entry: 25,
  done: 26,
  event: 27,
  attached: 28,
  kept: 29,
  stdin: 32,
  stdinEnd: 33,
  resize: 34,
  signal: 35,
  commit: 36,
  taken: 37,
  fileRead: 38,
  fileReadLine: 39,
  fileSeek: 40,
} as const;

export const OPERATION = {
  exec: 1,
  connect: 2,
  read: 3,
  write: 4,
  list: 5,
  stat: 6,
  makeDirectory: 7,
  remove: 8,
  rename: 9,
  copy: 10,
  watch: 11,
  kept: 12,
  attach: 13,
  open: 14,
} as const;
export type Operation = keyof typeof OPERATION;

export const OPEN_FLAG = { read: 1, write: 2, create: 4, truncate: 8, exclusive: 16, append: 32 } as const;

export const EXEC_FLAG = { pty: 1, user: 2, keep: 4, merge: 8 } as const;

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

const NOTHING = Buffer.alloc(0);

export function encodeFrame(type: number, payload: Uint8Array = NOTHING): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.byteLength);
  frame.writeUInt8(type, 0);
  frame.writeUInt32BE(payload.byteLength, 1);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Cuts a byte stream into frames; keeps at most one unfinished frame, and copies each byte at most once. */
export class FrameReader {
  readonly #maxPayload: number;
  #parts: Buffer[] = [];
  #held = 0;
  /** Bytes of the frame that is coming in, once its header is here. */
  #wanted = HEADER_BYTES;

  constructor(maxPayload: number = MAX_PAYLOAD_BYTES) {
    this.#maxPayload = maxPayload;
  }

  /** Throws when a frame claims to be larger than it may. What came before it is yielded first. */
  *push(chunk: Buffer): Generator<Frame> {
    let rest = chunk;
    while (this.#held + rest.length >= this.#wanted) {
      const missing = this.#wanted - this.#held;
      const bytes = this.#held === 0 ? rest.subarray(0, missing) : Buffer.concat([...this.#parts, rest.subarray(0, missing)], this.#wanted);
      rest = rest.subarray(missing);
      this.#parts = [];
      this.#held = 0;
      if (this.#wanted === HEADER_BYTES) {
        const length = bytes.readUInt32BE(1);
        if (length > this.#maxPayload) throw new Error(`A frame of ${length} bytes is over the limit of ${this.#maxPayload}.`);
        if (length > 0) {
          this.#wanted += length;
          this.#parts = [bytes];
          this.#held = bytes.length;
          continue;
        }
      }
      this.#wanted = HEADER_BYTES;
      yield { type: bytes.readUInt8(0), payload: bytes.subarray(HEADER_BYTES) };
    }
    if (rest.length === 0) return;
    this.#parts.push(rest);
    this.#held += rest.length;
  }
}

/** Writes a request's body. */
export class BodyWriter {
  readonly #parts: Uint8Array[] = [];

  u8(value: number): this {
    this.#parts.push(Uint8Array.of(value));
    return this;
  }

  u16(value: number): this {
    return this.#number(2, (buffer) => buffer.writeUInt16BE(value));
  }

  u32(value: number): this {
    return this.#number(4, (buffer) => buffer.writeUInt32BE(value));
  }

  i64(value: number | bigint): this {
    return this.#number(8, (buffer) => buffer.writeBigInt64BE(BigInt(value)));
  }

  u64(value: number | bigint): this {
    return this.#number(8, (buffer) => buffer.writeBigUInt64BE(BigInt(value)));
  }

  string(text: string | Uint8Array): this {
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    this.u32(bytes.byteLength);
    this.#parts.push(bytes);
    return this;
  }

  strings(list: readonly string[]): this {
    this.u32(list.length);
    for (const each of list) this.string(each);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #number(bytes: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.allocUnsafe(bytes);
    write(buffer);
    this.#parts.push(buffer);
    return this;
  }
}

/** Reads what the agent says. Throws RangeError at its end. */
export class BodyReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8));
  }

  i64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  /** A copy, which holds nothing else in memory. */
  bytes(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return Buffer.from(this.#bytes.subarray(at, at + length));
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length)
      throw new RangeError(`The agent sent ${this.#bytes.length} bytes where ${at + length} were needed.`);
    this.#at += length;
    return at;
  }
}
