// A file that stays open in the container, over a stream of its own.

import type { OpenFile, OpenMode } from "./agent-files.ts";
import type { FileStream } from "./file-stream.ts";
import { BodyWriter, CHUNK_BYTES, FRAME, OPEN_FLAG } from "./wire.ts";

const WHENCE = { start: 0, current: 1, end: 2 } as const;
const WITHOUT_LIMIT = (1n << 64n) - 1n;

const KINDS: Readonly<Record<string, number>> = {
  r: 0,
  w: OPEN_FLAG.create | OPEN_FLAG.truncate,
  a: OPEN_FLAG.create | OPEN_FLAG.append,
  x: OPEN_FLAG.create | OPEN_FLAG.exclusive,
};

/** What the agent is told of a mode. */
export function openFlags(mode: OpenMode): number {
  const [kind = "r", both] = mode;
  const use = both === "+" ? OPEN_FLAG.read | OPEN_FLAG.write : kind === "r" ? OPEN_FLAG.read : OPEN_FLAG.write;
  return use | (KINDS[kind] ?? 0);
}

export class StreamFile implements OpenFile {
  readonly #stream: FileStream;
  #last: Promise<void> = Promise.resolve();

  constructor(stream: FileStream) {
    this.#stream = stream;
  }

  read(count?: number): AsyncIterable<Uint8Array> {
    return this.#read(FRAME.fileRead, new BodyWriter().u64(count ?? WITHOUT_LIMIT).finish());
  }

  readLine(): AsyncIterable<Uint8Array> {
    return this.#read(FRAME.fileReadLine);
  }

  async write(data: Uint8Array): Promise<void> {
    using _turn = await this.#turn();
    for (let at = 0; at < data.byteLength; at += CHUNK_BYTES) {
      await this.#stream.send(FRAME.data, data.subarray(at, at + CHUNK_BYTES));
      await this.#stream.next(FRAME.done);
    }
  }

  async seek(offset: number, whence: keyof typeof WHENCE): Promise<void> {
    using _turn = await this.#turn();
    await this.#stream.send(FRAME.fileSeek, new BodyWriter().u8(WHENCE[whence]).i64(offset).finish());
    await this.#stream.next(FRAME.done);
  }

  close(): void {
    this.#stream.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async *#read(request: number, body?: Uint8Array): AsyncGenerator<Uint8Array> {
    using _turn = await this.#turn();
    await this.#stream.send(request, body);
    let isOver = false;
    try {
      for (;;) {
        const frame = await this.#stream.next(FRAME.data, FRAME.done).catch((error: unknown) => {
          isOver = true;
          throw error;
        });
        if (frame.type === FRAME.done) {
          isOver = true;
          return;
        }
        yield frame.payload;
      }
    } finally {
      // What was not taken stands before every other answer.
      if (!isOver) this.close();
    }
  }

  /** Resolves when what was asked before is answered. */
  async #turn(): Promise<Disposable> {
    const before = this.#last;
    let done: () => void = () => {};
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    return { [Symbol.dispose]: done };
  }
}
