// What a process printed on one stream, by offset: readers may come late, come again, or stay behind.
//
// The newest part is in memory, the rest, and on request also that, in files of a fixed size, from which another server can go on. Nobody who reads makes the process wait for long, and nobody who does
// not read makes it wait at all: without a reader the oldest files go when the bound is reached, and what a reader that is there has not
// seen yet is kept until it has.
import { appendFile, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";
import { Wakeup } from "../calls/wakeup.ts";

export interface SpoolOptions {
  /** Exists. Files in it are named after `name`. */
  readonly dir: string;
  readonly name: string;
  /** Size of a file, and of what is in memory. Default 1 MiB. */
  readonly segmentBytes?: number;
  /** Kept in files without anyone reading. Default 256 MiB. */
  readonly keptBytes?: number;
}

export interface SpooledChunk {
  readonly offset: number;
  readonly data: Uint8Array;
}

const SEGMENT_BYTES = 1 << 20;
const KEPT_BYTES = 256 << 20;
/** A waiting reader looks again after this; it is woken before. */
const LOOK_AGAIN_MS = 3_600_000;
const MAX_CHUNK_BYTES = 256 << 10;

interface Reader {
  offset: number;
}

export class Spool {
  readonly #options: Required<SpoolOptions>;
  readonly #changed = new Wakeup();
  readonly #read = new Wakeup();
  readonly #readers = new Set<Reader>();
  /** First offset that is kept; a multiple of the segment's size. */
  #first = 0;
  /** Where the part in memory begins. */
  #inMemoryFrom = 0;
  #inMemory: Uint8Array[] = [];
  /** The end of it, which is in no file yet. */
  #unwritten: Uint8Array[] = [];
  #end = 0;
  #ended = false;
  #removed = false;
  #failure: unknown;

  constructor(options: SpoolOptions) {
    this.#options = { segmentBytes: SEGMENT_BYTES, keptBytes: KEPT_BYTES, ...options };
  }

  /** One that an earlier server has left. `ended`: nothing more comes; then it holds nothing in memory. */
  static async restore(options: SpoolOptions, { ended }: { readonly ended: boolean }): Promise<Spool> {
    const spool = new Spool(options);
    const { dir, name, segmentBytes } = spool.#options;
    const starts = (await readdir(dir)).flatMap((file) => {
      const start = file.startsWith(`${name}.`) ? file.slice(name.length + 1) : "";
      return /^\d+$/.test(start) ? [Number(start)] : [];
    });
    if (starts.length > 0) {
      const last = Math.max(...starts);
      spool.#first = Math.min(...starts);
      spool.#end = last + (await stat(spool.#path(last))).size;
      const isFull = spool.#end - last === segmentBytes;
      spool.#inMemoryFrom = ended || isFull ? spool.#end : last;
      if (!ended && !isFull) spool.#inMemory = [await readFile(spool.#path(last))];
    }
    if (ended) spool.end();
    return spool;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#end;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when more may come: at once, or after a file was written or a reader has caught up. One at a time. */
  async append(data: Uint8Array): Promise<void> {
    const { segmentBytes } = this.#options;
    let rest = data;
    while (rest.length > 0 && !this.#removed) {
      const part = rest.subarray(0, segmentBytes - (this.#end - this.#inMemoryFrom));
      rest = rest.subarray(part.length);
      this.#inMemory.push(part);
      this.#unwritten.push(part);
      this.#end += part.length;
      this.#changed.wake();
      if (this.#end - this.#inMemoryFrom === segmentBytes) await this.#writeSegment();
    }
  }

  /** Resolves when all of it is in files. Not while something is appended. */
  async flush(): Promise<void> {
    if (this.#unwritten.length === 0 || this.#removed) return;
    const data = Buffer.concat(this.#unwritten);
    this.#unwritten = [];
    await appendFile(this.#path(this.#inMemoryFrom), data, { mode: 0o600 });
    if (this.#removed) await this.remove();
  }

  /** Nothing more comes. */
  end(): void {
    this.#ended = true;
    this.#changed.wake();
  }

  /** Files that cannot be written end the stream with the reason, for the readers. */
  fail(reason: unknown): void {
    this.#failure ??= reason;
    this.end();
  }

  /**
   * What was printed from `offset` on, live, until the end. A chunk that begins beyond the offset asked for: what lay between was
   * dropped. Throws `out_of_range` for an offset beyond the end of a stream that is over. Ends early when a signal aborts.
   */
  async *from(offset: number, ...signals: readonly AbortSignal[]): AsyncGenerator<SpooledChunk> {
    const reader: Reader = { offset };
    this.#readers.add(reader);
    try {
      for (;;) {
        if (signals.some((signal) => signal.aborted)) return;
        const chunk = await this.#chunkAt(reader.offset);
        if (chunk !== undefined) {
          yield chunk;
          reader.offset = chunk.offset + chunk.data.length;
          this.#read.wake();
          continue;
        }
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#ended || this.#removed) {
          if (reader.offset <= this.#end) return;
          throw new LydianError("out_of_range", `The output has ${this.#end} bytes; it cannot be read from ${offset}.`);
        }
        // More may have come since the chunk was looked for.
        if (reader.offset >= this.#end) await this.#changed.wait(LOOK_AGAIN_MS, ...signals);
      }
    } finally {
      this.#readers.delete(reader);
      this.#read.wake();
    }
  }

  /** Its files go; readers end. */
  async remove(): Promise<void> {
    this.#removed = true;
    this.#ended = true;
    this.#changed.wake();
    this.#read.wake();
    const { segmentBytes } = this.#options;
    for (; this.#first <= this.#inMemoryFrom; this.#first += segmentBytes) await rm(this.#path(this.#first), { force: true });
  }

  async #chunkAt(offset: number): Promise<SpooledChunk | undefined> {
    const at = Math.max(offset, this.#first);
    if (at >= this.#end) return undefined;
    if (at >= this.#inMemoryFrom) return { offset: at, data: this.#fromMemory(at - this.#inMemoryFrom) };
    const { segmentBytes } = this.#options;
    const start = at - (at % segmentBytes);
    const file = await readFile(this.#path(start)).catch((error: NodeJS.ErrnoException) => {
      // Dropped meanwhile.
      if (error.code === "ENOENT" && this.#first > start) return undefined;
      throw error;
    });
    return file === undefined ? this.#chunkAt(offset) : { offset: at, data: file.subarray(at - start, at - start + MAX_CHUNK_BYTES) };
  }

  #fromMemory(skipped: number): Uint8Array {
    if (this.#inMemory.length > 1) this.#inMemory = [Buffer.concat(this.#inMemory)];
    return (this.#inMemory[0] ?? new Uint8Array()).subarray(skipped, skipped + MAX_CHUNK_BYTES);
  }

  async #writeSegment(): Promise<void> {
    const { segmentBytes } = this.#options;
    await this.flush();
    this.#inMemory = [];
    this.#inMemoryFrom += segmentBytes;
    await this.#makeRoom();
  }

  async #makeRoom(): Promise<void> {
    const { segmentBytes, keptBytes } = this.#options;
    while (this.#inMemoryFrom - this.#first > keptBytes && !this.#removed) {
      const needed = Math.min(...[...this.#readers].map((reader) => reader.offset));
      if (needed < this.#first + segmentBytes) {
        // Of those who read, the slowest sets the pace.
        await this.#read.wait(LOOK_AGAIN_MS);
        continue;
      }
      const dropped = this.#first;
      this.#first += segmentBytes;
      await rm(this.#path(dropped), { force: true });
    }
  }

  #path(start: number): string {
    return join(this.#options.dir, `${this.#options.name}.${start}`);
  }
}
