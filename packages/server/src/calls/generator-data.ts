import type { DataChunk } from "@lydian/protocol";
import { Wakeup } from "./wakeup.ts";

/** What a generator may be ahead of its reader, in bytes. */
export const MAX_UNREAD_BYTES = 32 << 20;

/** The values of a generator that the reader has not confirmed yet. */
export class GeneratorData {
  readonly arrived = new Wakeup();
  readonly read = new Wakeup();
  #chunks: { readonly index: number; readonly bytes: number; readonly chunk: DataChunk }[] = [];
  #unreadBytes = 0;
  /** Index of the newest chunk; 0 when there was none. */
  last = 0;

  get isFull(): boolean {
    return this.#unreadBytes > MAX_UNREAD_BYTES;
  }

  /** Call after the chunk is durable. */
  add(chunk: DataChunk): void {
    const index = Number(chunk.index);
    if (index <= this.last) return;
    const bytes = chunk.dataOneof.case === "data" ? chunk.dataOneof.value.length : 0;
    this.#chunks.push({ index, bytes, chunk });
    this.#unreadBytes += bytes;
    this.last = index;
    this.arrived.wake();
  }

  /** Chunks after `index`. Asking for them says that those up to it have been read. */
  after(index: number): readonly DataChunk[] {
    let read = 0;
    while (read < this.#chunks.length && (this.#chunks[read]?.index ?? 0) <= index) this.#unreadBytes -= this.#chunks[read++]?.bytes ?? 0;
    if (read > 0) {
      this.#chunks = this.#chunks.slice(read);
      this.read.wake();
    }
    return this.#chunks.map(({ chunk }) => chunk);
  }
}
