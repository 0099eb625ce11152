// Turns what a container prints into lines: characters are never cut, a line has a bound, and the last words are kept for the report
// of a container that dies.
import { StringDecoder } from "node:string_decoder";
import type { OutputChunk } from "@lydian/containers";

/** A line with its line end, or a piece of one that is too long or came last. */
export interface PrintedLine {
  readonly fd: 1 | 2;
  readonly text: string;
}

const MAX_LINE = 16 * 1024;
const TAIL_LINES = 20;
const TAIL_CHARACTERS = 4000;

class LineReader {
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";

  push(data: Uint8Array): string[] {
    return this.#cut(this.#decoder.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength)));
  }

  end(): string[] {
    const lines = this.#cut(this.#decoder.end());
    if (this.#rest !== "") lines.push(this.#rest);
    this.#rest = "";
    return lines;
  }

  #cut(text: string): string[] {
    const all = this.#rest + text;
    const lines: string[] = [];
    let from = 0;
    for (let end = all.indexOf("\n"); end >= 0; end = all.indexOf("\n", from)) {
      addPieces(lines, all.slice(from, end + 1));
      from = end + 1;
    }
    this.#rest = all.slice(from);
    while (this.#rest.length > MAX_LINE) {
      lines.push(this.#rest.slice(0, MAX_LINE));
      this.#rest = this.#rest.slice(MAX_LINE);
    }
    return lines;
  }
}

function addPieces(lines: string[], line: string): void {
  for (let at = 0; at < line.length; at += MAX_LINE) lines.push(line.slice(at, at + MAX_LINE));
}

export class OutputLines {
  readonly #readers = { stdout: new LineReader(), stderr: new LineReader() };
  readonly #tail: string[] = [];

  push({ stream, data }: OutputChunk): PrintedLine[] {
    return this.#made(stream === "stdout" ? 1 : 2, this.#readers[stream].push(data));
  }

  /** What has no line end yet. */
  end(): PrintedLine[] {
    return [...this.#made(1, this.#readers.stdout.end()), ...this.#made(2, this.#readers.stderr.end())];
  }

  /** The last lines of both streams. */
  tail(): string {
    return this.#tail.join("").trimEnd().slice(-TAIL_CHARACTERS);
  }

  #made(fd: 1 | 2, texts: readonly string[]): PrintedLine[] {
    this.#tail.push(...texts.slice(-TAIL_LINES));
    if (this.#tail.length > TAIL_LINES) this.#tail.splice(0, this.#tail.length - TAIL_LINES);
    return texts.map((text) => ({ fd, text }));
  }
}
