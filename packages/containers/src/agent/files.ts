// File operations over streams of the agent.

import type { RequestOptions } from "./agent.ts";
import { AgentError } from "./agent-error.ts";
import type {
  AgentFiles,
  FileContent,
  FileEntry,
  FileEvent,
  FilePath,
  FileWatch,
  OpenFile,
  OpenMode,
  ReadOptions,
  WriteOptions,
} from "./agent-files.ts";
import { FileStream } from "./file-stream.ts";
import { openFlags, StreamFile } from "./open-file.ts";
import type { Streams } from "./streams.ts";
import { BodyReader, BodyWriter, CHUNK_BYTES, FRAME, type Operation } from "./wire.ts";

/** A directory with more entries than this is refused: they are gathered to be sorted. */
const MAX_ENTRIES = 500_000;
const MAX_LIST_BYTES = 128 << 20;
const MAX_PATH_BYTES = 4_095;
const NEW_FILE_MODE = 0o644;
const WITHOUT_LIMIT = (1n << 64n) - 1n;
const TYPES = new Map<number, FileEntry["type"]>([
  [0o100_000, "file"],
  [0o040_000, "directory"],
  [0o120_000, "symlink"],
]);
const KINDS: readonly FileEvent["kind"][] = [
  "unknown",
  "create",
  "modify",
  "remove",
  "access",
  "rename",
  "rename-from",
  "rename-to",
  "unknown",
];

const shown = (path: FilePath) => (typeof path === "string" ? path : Buffer.from(path).toString());

function checked(path: FilePath): FilePath {
  const bytes = typeof path === "string" ? Buffer.from(path) : path;
  const refuse = (code: string, why: string) => {
    throw new AgentError(code, "request", `The path ${JSON.stringify(shown(path).slice(0, 200))} ${why} (${code}).`);
  };
  if (bytes[0] !== 0x2f) refuse("EINVAL", "must be absolute");
  if (bytes.includes(0)) refuse("EINVAL", "must not contain NUL bytes");
  if (bytes.byteLength > MAX_PATH_BYTES) refuse("ENAMETOOLONG", `has ${bytes.byteLength} bytes, and Linux takes ${MAX_PATH_BYTES}`);
  return bytes;
}

function readEntry(payload: Buffer): FileEntry {
  const body = new BodyReader(payload);
  const mode = body.u32();
  const size = Number(body.u64());
  const seconds = Number(body.i64());
  const modifiedTime = seconds + body.u32() / 1e9;
  const [uid, gid] = [body.u32(), body.u32()];
  const [owner, group, link, name] = [body.bytes(), body.bytes(), body.bytes(), body.bytes()];
  const type = TYPES.get(mode & 0o170_000) ?? "other";
  return {
    name,
    type,
    mode,
    size,
    modifiedTime,
    uid,
    gid,
    owner: owner.toString(),
    group: group.toString(),
    ...(type === "symlink" ? { linkTarget: link } : {}),
  };
}

export class StreamFiles implements AgentFiles {
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  async #open(operation: Operation, body: BodyWriter, attempt: string, options: RequestOptions): Promise<FileStream> {
    return new FileStream(await this.#streams.open(operation, body.finish(), options), attempt, options.signal);
  }

  /** For operations that only end. */
  async #run(operation: Operation, body: BodyWriter, attempt: string, options: RequestOptions): Promise<void> {
    using stream = await this.#open(operation, body, attempt, options);
    await stream.next(FRAME.done);
  }

  async read(path: FilePath, options: ReadOptions = {}): Promise<FileContent> {
    const body = new BodyWriter()
      .u64(options.offset ?? 0)
      .u64(options.length ?? WITHOUT_LIMIT)
      .u64(options.largestBytes ?? WITHOUT_LIMIT)
      .string(checked(path));
    const stream = await this.#open("read", body, `${shown(path)} could not be read`, options);
    const { payload } = await stream.next(FRAME.size);
    const data = async function* () {
      try {
        for (;;) {
          const frame = await stream.next(FRAME.data, FRAME.done);
          if (frame.type === FRAME.done) return;
          yield frame.payload;
        }
      } finally {
        stream.close();
      }
    };
    return {
      size: Number(payload.readBigUInt64BE(0)),
      mode: payload.readUInt32BE(8),
      data: data(),
      close: () => stream.close(),
      [Symbol.dispose]: () => stream.close(),
    };
  }

  async write(path: FilePath, data: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<void> {
    const body = new BodyWriter().u32(options.mode ?? NEW_FILE_MODE).string(checked(path));
    using stream = await this.#open("write", body, `${shown(path)} could not be written`, options);
    const answer = stream.next(FRAME.done);
    answer.catch(() => {});
    let going = true;
    for await (const chunk of data instanceof Uint8Array ? [data] : data) {
      for (let at = 0; going && at < chunk.byteLength; at += CHUNK_BYTES) {
        going = await stream.send(FRAME.data, chunk.subarray(at, at + CHUNK_BYTES));
      }
      if (!going || options.signal?.aborted === true) break;
    }
    if (going && options.signal?.aborted !== true) await stream.send(FRAME.commit);
    await answer;
  }

  async list(path: FilePath, options: RequestOptions = {}): Promise<readonly FileEntry[]> {
    using stream = await this.#open("list", new BodyWriter().string(checked(path)), `${shown(path)} could not be listed`, options);
    const entries: FileEntry[] = [];
    let bytes = 0;
    for (;;) {
      const { type, payload } = await stream.next(FRAME.entry, FRAME.done);
      if (type === FRAME.done) break;
      bytes += payload.length;
      if (entries.length >= MAX_ENTRIES || bytes > MAX_LIST_BYTES) {
        throw new AgentError("E2BIG", "file", `${shown(path)} has more than ${MAX_ENTRIES} entries, too many for one list (E2BIG).`);
      }
      entries.push(readEntry(payload));
    }
    return entries.sort((a, b) => Buffer.compare(a.name, b.name));
  }

  async stat(path: FilePath, options: RequestOptions & { readonly follow?: boolean } = {}): Promise<FileEntry> {
    const body = new BodyWriter().u8(options.follow === true ? 1 : 0).string(checked(path));
    using stream = await this.#open("stat", body, `${shown(path)} could not be looked at`, options);
    const { payload } = await stream.next(FRAME.entry);
    return readEntry(payload);
  }

  makeDirectory(path: FilePath, options: RequestOptions & { readonly parents?: boolean; readonly mode?: number } = {}): Promise<void> {
    const body = new BodyWriter()
      .u8(options.parents === true ? 1 : 0)
      .u32(options.mode ?? 0o755)
      .string(checked(path));
    return this.#run("makeDirectory", body, `The directory ${shown(path)} could not be made`, options);
  }

  remove(path: FilePath, options: RequestOptions & { readonly recursive?: boolean } = {}): Promise<void> {
    const body = new BodyWriter().u8(options.recursive === true ? 1 : 0).string(checked(path));
    return this.#run("remove", body, `${shown(path)} could not be removed`, options);
  }

  rename(from: FilePath, to: FilePath, options: RequestOptions = {}): Promise<void> {
    const body = new BodyWriter().string(checked(from)).string(checked(to));
    return this.#run("rename", body, `${shown(from)} could not be renamed to ${shown(to)}`, options);
  }

  copy(from: FilePath, to: FilePath, options: RequestOptions & { readonly recursive?: boolean } = {}): Promise<void> {
    const body = new BodyWriter()
      .u8(options.recursive === true ? 1 : 0)
      .string(checked(from))
      .string(checked(to));
    return this.#run("copy", body, `${shown(from)} could not be copied to ${shown(to)}`, options);
  }

  async open(path: FilePath, mode: OpenMode, options: RequestOptions = {}): Promise<OpenFile> {
    const body = new BodyWriter().u32(openFlags(mode)).u32(NEW_FILE_MODE).string(checked(path));
    const stream = await this.#open("open", body, shown(path), options);
    await stream.next(FRAME.done);
    stream.stay();
    return new StreamFile(stream);
  }

  async watch(path: FilePath, options: RequestOptions & { readonly recursive?: boolean } = {}): Promise<FileWatch> {
    const body = new BodyWriter().u8(options.recursive === true ? 1 : 0).string(checked(path));
    const stream = await this.#open("watch", body, `${shown(path)} could not be watched`, options);
    await stream.next(FRAME.done);
    let closed = false;
    const events = async function* (): AsyncGenerator<FileEvent> {
      try {
        for (;;) {
          const { payload } = await stream.next(FRAME.event);
          const event = new BodyReader(payload);
          const kind = KINDS[event.u8()] ?? "unknown";
          yield { kind, paths: [event.bytes(), event.bytes()].slice(0, kind === "rename" ? 2 : 1) };
        }
      } catch (error) {
        if (!closed) throw error;
      } finally {
        stream.close();
      }
    };
    const close = () => {
      closed = true;
      stream.close();
    };
    const iterator = events();
    return { [Symbol.asyncIterator]: () => iterator, close, [Symbol.dispose]: close };
  }
}
