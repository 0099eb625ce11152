// Build output arrives in chunks that end anywhere, also inside a character. Logs are shown and stored by line.
import { StringDecoder } from "node:string_decoder";

/** Longer lines are broken: a program that never ends its line must not fill the memory. */
const MAX_LINE = 16_384;

/** Turns chunks into lines. A carriage return that is not part of a line break (a progress bar) begins the line anew. */
export class LineSplitter {
  readonly #decoder = new StringDecoder("utf8");
  readonly #onLine: (line: string) => void;
  #rest = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(chunk: Uint8Array): void {
    this.#take(this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  }

  /** Hands out what is left as the last line. */
  end(): void {
    this.#take(this.#decoder.end());
    if (this.#rest !== "") this.#emit(this.#rest);
    this.#rest = "";
  }

  #take(text: string): void {
    if (text === "") return;
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#emit(line);
    while (this.#rest.length > MAX_LINE) {
      this.#emit(this.#rest.slice(0, MAX_LINE));
      this.#rest = this.#rest.slice(MAX_LINE);
    }
  }

  #emit(line: string): void {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    const visible = text.slice(text.lastIndexOf("\r") + 1);
    for (let at = 0; at === 0 || at < visible.length; at += MAX_LINE) this.#onLine(visible.slice(at, at + MAX_LINE));
  }
}

/** Keeps the last lines, for the message of a failed step. */
export class LastLines {
  readonly #limit: number;
  readonly #lines: string[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > this.#limit) this.#lines.shift();
  }

  toString(): string {
    return this.#lines.join("\n");
  }
}
