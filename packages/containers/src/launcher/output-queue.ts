// Output between the launcher's connection and its one reader: bounded by asking the producer to pause.

import type { OutputChunk } from "../host.ts";

/** Buffered bytes at which the producer is asked to pause. */
export const HIGH_WATER_BYTES = 256 * 1024;

export interface Producer {
  pause(): void;
  resume(): void;
}

export class OutputQueue implements AsyncIterable<OutputChunk> {
  readonly #chunks: OutputChunk[] = [];
  #bytes = 0;
  #ended = false;
  #discarding = false;
  #unbounded = false;
  #taken = false;
  #wake: (() => void) | undefined;
  readonly #producer: Producer;

  constructor(producer: Producer) {
    this.#producer = producer;
  }

  push(chunk: OutputChunk): void {
    if (this.#discarding) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.data.byteLength;
    if (this.#bytes > HIGH_WATER_BYTES && !this.#unbounded) this.#producer.pause();
    this.#wake?.();
  }

  /** The process has ended: what is left fits the pipes, so take it in without waiting for the reader. */
  takeRest(): void {
    this.#unbounded = true;
    this.#producer.resume();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Nobody will read: drop what is there and what comes. */
  discard(): void {
    this.#discarding = true;
    this.#chunks.length = 0;
    this.#bytes = 0;
    this.#producer.resume();
    this.#wake?.();
  }

  /**
   * Takes stdout up to and with `marker`, which is the last thing printed for now. Undefined: it came. Otherwise the output ended
   * before, and the answer is what stderr said.
   */
  async takeUntil(marker: string): Promise<string | undefined> {
    let stdout = "";
    let stderr = "";
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.data.byteLength;
        const text = Buffer.from(chunk.data).toString();
        if (chunk.stream === "stdout") stdout += text;
        else stderr += text;
        if (stdout.endsWith(marker)) return undefined;
      } else if (this.#ended || this.#discarding) {
        return stderr;
      } else {
        await this.#arrival();
      }
    }
  }

  async #arrival(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputChunk> {
    if (this.#taken) throw new Error("The output of a container has one reader, and it has been taken.");
    this.#taken = true;
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          this.#bytes -= chunk.data.byteLength;
          if (this.#bytes <= HIGH_WATER_BYTES / 2) this.#producer.resume();
          yield chunk;
        } else if (this.#ended || this.#discarding) {
          return;
        } else {
          await this.#arrival();
        }
      }
    } finally {
      this.discard();
    }
  }
}
