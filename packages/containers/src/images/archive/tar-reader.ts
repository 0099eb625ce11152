// Reads tar archives as a stream: the formats that images and npm packages come in (ustar, pax, GNU long names).
// Own code because the entries of an archive from the network must be judged one by one before anything is written.
import { ImageError } from "../errors.ts";

export interface TarEntry {
  /** As in the archive; may be hostile. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly size: number;
  /** Target of a link. */
  readonly link: string;
}

/** A pax header or a long name beyond this is hostile. */
const MAX_META_BYTES = 2 ** 20;
const BLOCK = 512;

/** Bytes of a stream, in the portions asked for. */
class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** At most `limit` bytes, at least one; undefined at the end. */
  async some(limit: number): Promise<Uint8Array | undefined> {
    while (this.#current.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return undefined;
      this.#current = next.value;
    }
    const part = this.#current.subarray(0, limit);
    this.#current = this.#current.subarray(part.length);
    return part;
  }

  /** Exactly `length` bytes; undefined when the stream ends before the first. */
  async exactly(length: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      const part = await this.some(missing);
      if (part === undefined) {
        if (missing === length) return undefined;
        throw new ImageError("corrupt", "The archive ends in the middle of an entry.");
      }
      parts.push(part);
      missing -= part.length;
    }
    const [only] = parts;
    return parts.length === 1 && only ? only : Buffer.concat(parts);
  }

  async skip(length: number): Promise<void> {
    for (let missing = length; missing > 0; ) {
      const part = await this.some(missing);
      if (part === undefined) throw new ImageError("corrupt", "The archive ends in the middle of an entry.");
      missing -= part.length;
    }
  }

  /** Reads the stream to its end, so that its producer ends too. */
  async drain(): Promise<void> {
    while ((await this.some(2 ** 20)) !== undefined);
  }

  async return(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/**
 * Yields the entries of an archive, each with its content. Content that has not been read when the next entry is asked
 * for is skipped. Throws ImageError "corrupt" for anything that is not a tar archive.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<{ entry: TarEntry; content: AsyncIterable<Uint8Array> }> {
  const bytes = new ByteSource(source);
  const global = new Map<string, string>();
  let local = new Map<string, string>();
  try {
    while (true) {
      const header = await bytes.exactly(BLOCK);
      if (header === undefined || header.every((byte) => byte === 0)) break;
      verifyChecksum(header);
      const size = field(local, global, "size", () => number(header, 124, 12));
      const type = String.fromCharCode(header[156] ?? 0);
      if (type === "x" || type === "g" || type === "L" || type === "K") {
        const data = await meta(bytes, size);
        if (type === "x") local = new Map([...local, ...paxRecords(data)]);
        else if (type === "g") for (const [key, value] of paxRecords(data)) global.set(key, value);
        else local.set(type === "L" ? "path" : "linkpath", data.toString("utf8").replace(/\0[\s\S]*$/, ""));
        continue;
      }
      const prefix = text(header, 257, 6).startsWith("ustar") ? text(header, 345, 155) : "";
      const name = text(header, 0, 100);
      const entry: TarEntry = {
        path: local.get("path") ?? global.get("path") ?? (prefix === "" ? name : `${prefix}/${name}`),
        type: typeOf(type, name),
        mode: number(header, 100, 8) & 0o7777,
        uid: field(local, global, "uid", () => number(header, 108, 8)),
        gid: field(local, global, "gid", () => number(header, 116, 8)),
        mtime: field(local, global, "mtime", () => number(header, 136, 12)),
        size,
        link: local.get("linkpath") ?? global.get("linkpath") ?? text(header, 157, 100),
      };
      local = new Map();
      const dataSize = entry.type === "file" ? size : 0;
      let unread = dataSize;
      const content = (async function* () {
        while (unread > 0) {
          const part = await bytes.some(unread);
          if (part === undefined) throw new ImageError("corrupt", `The archive ends in the middle of "${entry.path}".`);
          unread -= part.length;
          yield part;
        }
      })();
      yield { entry, content };
      // Links may carry a size that stands for no data; other unknown types carry their data.
      const padded = entry.type === "file" || entry.type === "other" ? Math.ceil(size / BLOCK) * BLOCK - size : 0;
      await bytes.skip(entry.type === "other" ? size + padded : unread + padded);
    }
    await bytes.drain();
  } finally {
    await bytes.return();
  }
}

function typeOf(flag: string, name: string): TarEntry["type"] {
  if (flag === "0" || flag === "\0" || flag === "7") return name.endsWith("/") ? "directory" : "file";
  if (flag === "5") return "directory";
  if (flag === "2") return "symlink";
  if (flag === "1") return "hardlink";
  return "other";
}

async function meta(bytes: ByteSource, size: number): Promise<Buffer> {
  if (size > MAX_META_BYTES)
    throw new ImageError("corrupt", `The archive has a header of ${size} bytes; at most ${MAX_META_BYTES} are read.`);
  const data = size === 0 ? new Uint8Array(0) : await bytes.exactly(Math.ceil(size / BLOCK) * BLOCK);
  if (data === undefined) throw new ImageError("corrupt", "The archive ends in the middle of a header.");
  return Buffer.from(data.subarray(0, size));
}

/** `<length> <key>=<value>\n` again and again. */
function paxRecords(data: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = Number(data.toString("latin1", at, space));
    const equals = data.indexOf(0x3d, space);
    if (space < 0 || !Number.isSafeInteger(length) || length <= 0 || equals < 0 || equals >= at + length)
      throw new ImageError("corrupt", "The archive has a broken extended header.");
    records.set(data.toString("utf8", space + 1, equals), data.toString("utf8", equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

function field(local: ReadonlyMap<string, string>, global: ReadonlyMap<string, string>, key: string, otherwise: () => number): number {
  const value = local.get(key) ?? global.get(key);
  if (value === undefined) return otherwise();
  const parsed = Number(value);
  if (!Number.isFinite(parsed) || parsed < 0) {
    if (key === "mtime") return 0;
    throw new ImageError("corrupt", `The archive has the value "${value}" for ${key}.`);
  }
  return parsed;
}

function text(header: Uint8Array, at: number, length: number): string {
  const raw = Buffer.from(header.buffer, header.byteOffset + at, length);
  const end = raw.indexOf(0);
  return raw.toString("utf8", 0, end < 0 ? length : end);
}

/** Octal digits, or big-endian binary when the top bit is set. */
function number(header: Uint8Array, at: number, length: number): number {
  const first = header[at] ?? 0;
  if (first & 0x80) {
    let value = first & 0x7f;
    for (let index = 1; index < length; index += 1) value = value * 256 + (header[at + index] ?? 0);
    if (!Number.isSafeInteger(value)) throw new ImageError("corrupt", "The archive has a number out of range.");
    return value;
  }
  const digits = text(header, at, length).trim();
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw new ImageError("corrupt", "The archive has a number that is not octal.");
  return Number.parseInt(digits, 8);
}

function verifyChecksum(header: Uint8Array): void {
  const expected = number(header, 148, 8);
  let sum = 0;
  for (let index = 0; index < BLOCK; index += 1) sum += index >= 148 && index < 156 ? 0x20 : (header[index] ?? 0);
  if (sum !== expected) throw new ImageError("corrupt", "This is not a tar archive: the checksum of a header is wrong.");
}
