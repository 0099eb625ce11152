// What generators yield: accepted once it is durable, kept for readers that come back, and slowed down to the pace of the reader.
import { type DataChunkSchema, type DataFormat, LydianError, type MessageInitShape } from "@lydian/protocol";
import type { Call } from "./call.ts";
import type { Clock, Deadlines } from "./deadlines.ts";
import type { Journal } from "./journal.ts";
import type { CallStore, ChunkRow } from "./store.ts";

export type ChunkInit = MessageInitShape<typeof DataChunkSchema>;

/** Values a generator may be ahead of its fastest reader. */
export const MAX_AHEAD = 1024;
const MAX_AHEAD_BYTES = 32 * 1024 * 1024;
/** A generator that nobody reads is held this long at the bound, then its container is told. */
const MAX_HOLD_MS = 10 * 60 * 1000;
const PAGE = 256;

class Stream {
  /** Highest index that is durable. */
  last: number;
  /** Highest index that is durable or on its way. */
  accepted: number;
  /** Highest index that a reader took. */
  consumed = 0;
  /** Durable chunks that no reader took, in order, ending with `last`. */
  readonly ahead: ChunkRow[] = [];
  aheadBytes = 0;
  /** Woken by anything: a new chunk, a reader's progress, the end. */
  readonly waiters = new Set<() => void>();

  constructor(last: number) {
    this.last = last;
    this.accepted = last;
  }
}

export interface GeneratorDataOptions {
  readonly store: CallStore;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

export class GeneratorData {
  readonly #options: GeneratorDataOptions;
  readonly #streams = new Map<string, Stream>();
  #draining = false;

  constructor(options: GeneratorDataOptions) {
    this.#options = options;
  }

  /**
   * Takes chunks; those it has already are passed over. Resolves when they are durable and there is room for more. `signal` ends the wait.
   */
  async put(call: Call, chunks: readonly ChunkRow[], signal: AbortSignal): Promise<void> {
    const stream = this.#stream(call);
    const fresh = chunks.filter((chunk) => chunk.idx > stream.accepted);
    for (const [place, { idx }] of fresh.entries()) {
      const expected = stream.accepted + place + 1;
      if (idx !== expected)
        throw new LydianError("invalid_argument", `Value ${idx} of ${call.id} came where value ${expected} was expected.`);
    }
    if (fresh.length > 0) await this.#accept(call, stream, fresh);
    else await this.#options.journal.durable();
    await this.#room(call, stream, signal);
  }

  /** Values after `lastIndex`, until the call has ended and all were sent, or `holdMs` have passed. */
  async *read(call: Call, lastIndex: number, holdMs: number, signal: AbortSignal): AsyncGenerator<ChunkInit> {
    const stream = this.#stream(call);
    const until = this.#options.clock.now() + holdMs;
    let at = lastIndex;
    while (!signal.aborted) {
      const rows = this.#after(call, stream, at);
      for (const row of rows) {
        yield chunkOf(row);
        at = row.idx;
        this.#consumed(stream, at);
      }
      if (rows.length > 0) continue;
      const ended = call.closed && call.unfinished === 0;
      if (ended || this.#draining || this.#options.clock.now() >= until) return;
      await this.#wait(stream, until, signal);
    }
  }

  /** The call has ended: nobody needs to wait for it, and memory keeps nothing of it. */
  end(call: Call): void {
    const stream = this.#streams.get(call.id);
    if (stream === undefined) return;
    this.#streams.delete(call.id);
    for (const wake of [...stream.waiters]) wake();
  }

  drain(): void {
    this.#draining = true;
    for (const stream of this.#streams.values()) for (const wake of [...stream.waiters]) wake();
  }

  async #accept(call: Call, stream: Stream, rows: readonly ChunkRow[]): Promise<void> {
    const { journal, store } = this.#options;
    const before = stream.accepted;
    stream.accepted += rows.length;
    call.yielded = true;
    journal.update(() => store.insertChunks(call, rows));
    try {
      await journal.durable();
    } catch (error) {
      stream.accepted = before;
      throw error;
    }
    stream.last = stream.accepted;
    for (const row of rows) {
      if (row.idx <= stream.consumed) continue;
      stream.ahead.push(row);
      stream.aheadBytes += sizeOf(row);
    }
    for (const wake of [...stream.waiters]) wake();
  }

  async #room(call: Call, stream: Stream, signal: AbortSignal): Promise<void> {
    const until = this.#options.clock.now() + MAX_HOLD_MS;
    while (stream.ahead.length > MAX_AHEAD || stream.aheadBytes > MAX_AHEAD_BYTES) {
      if (call.unfinished === 0 || signal.aborted || this.#draining) return;
      if (this.#options.clock.now() >= until) {
        throw new LydianError(
          "failed_precondition",
          `Nobody has read the values of ${call.id} for ${MAX_HOLD_MS / 60_000} minutes; ${stream.ahead.length} of them wait.`,
          { hint: "Read a generator while it runs." },
        );
      }
      await this.#wait(stream, until, signal);
    }
  }

  #after(call: Call, stream: Stream, lastIndex: number): readonly ChunkRow[] {
    if (lastIndex >= stream.last) return [];
    const [first] = stream.ahead;
    if (first !== undefined && lastIndex + 1 >= first.idx) {
      const from = lastIndex + 1 - first.idx;
      return stream.ahead.slice(from, from + PAGE);
    }
    return this.#options.store.chunks(call.seq, lastIndex, PAGE);
  }

  #consumed(stream: Stream, idx: number): void {
    if (idx <= stream.consumed) return;
    stream.consumed = idx;
    let taken = 0;
    for (const row of stream.ahead) {
      if (row.idx > idx) break;
      stream.aheadBytes -= sizeOf(row);
      taken++;
    }
    if (taken === 0) return;
    const wasFull = stream.ahead.length > MAX_AHEAD / 2;
    stream.ahead.splice(0, taken);
    if (wasFull) for (const wake of [...stream.waiters]) wake();
  }

  #wait(stream: Stream, until: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        stream.waiters.delete(wake);
        this.#options.deadlines.cancel(deadline);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const deadline = this.#options.deadlines.add(until, wake);
      stream.waiters.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      if (signal.aborted) wake();
    });
  }

  #stream(call: Call): Stream {
    let stream = this.#streams.get(call.id);
    if (stream === undefined) {
      stream = new Stream(this.#options.store.lastChunk(call.seq));
      // Of a call that has ended there will be no news: nothing to keep.
      if (!(call.closed && call.unfinished === 0)) this.#streams.set(call.id, stream);
    }
    return stream;
  }
}

function sizeOf(row: ChunkRow): number {
  return row.data?.byteLength ?? 0;
}

function chunkOf({ idx, format, data, data_blob_id }: ChunkRow): ChunkInit {
  const dataOneof =
    data_blob_id !== null
      ? { case: "dataBlobId" as const, value: data_blob_id }
      : { case: "data" as const, value: data ?? new Uint8Array() };
  return { index: BigInt(idx), dataFormat: format as DataFormat, dataOneof };
}
