import { LydianError } from "../errors.ts";

/** What is collected as a whole must fit into the memory of this process. */
const MAX_COLLECTED_BYTES = 256 << 20;

/**
 * What a process prints. Each way of reading begins at the first byte, whatever was read before; chunks come while the process runs.
 * A connection that breaks is made again and gone on with.
 *
 * @example
 * for await (const line of sandbox.exec(["make"]).stdout.lines()) console.log(line);
 */
export class OutputStream<T extends string | Uint8Array = string> implements AsyncIterable<T> {
  readonly #read: () => AsyncIterable<Uint8Array>;
  readonly #encoding: "text" | "bytes";

  constructor(read: () => AsyncIterable<Uint8Array>, encoding: "text" | "bytes") {
    this.#read = read;
    this.#encoding = encoding;
  }

  /** Chunks as they come: text, or bytes with `encoding: "bytes"`. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return (this.#encoding === "bytes" ? this.#chunks() : this.#texts()) as AsyncGenerator<T, void, undefined>;
  }

  /** Lines without their ends. */
  async *lines(): AsyncGenerator<string, void, undefined> {
    // Pieces of a line that has no end yet: joined once, however long it gets.
    let begun: string[] = [];
    for await (const text of this.#texts()) {
      const [first = "", ...others] = text.split("\n");
      begun.push(first);
      for (const line of others) {
        yield withoutReturn(begun.join(""));
        begun = [line];
      }
    }
    const last = begun.join("");
    if (last !== "") yield withoutReturn(last);
  }

  /** All of it, when the process has ended. At most 256 MiB. */
  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  /** All of it, when the process has ended. At most 256 MiB. */
  async bytes(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.#read()) {
      size += chunk.length;
      if (size > MAX_COLLECTED_BYTES)
        throw new LydianError("resource_exhausted", `More than ${MAX_COLLECTED_BYTES >> 20} MiB of output cannot be collected at once.`, {
          hint: "Read it in chunks: `for await (const chunk of …)`.",
        });
      chunks.push(chunk);
    }
    const all = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** As a stream of the web platform, e.g. for a Response. */
  get web(): ReadableStream<Uint8Array> {
    const chunks = this.#chunks();
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await chunks.return();
      },
    });
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#read();
  }

  async *#texts(): AsyncGenerator<string, void, undefined> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#read()) {
      const text = decoder.decode(chunk, { stream: true });
      if (text !== "") yield text;
    }
    const last = decoder.decode();
    if (last !== "") yield last;
  }
}

const withoutReturn = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line);
