import { StringDecoder } from "node:string_decoder";

const MAX_LINE = 64 * 1024;

/** Cuts the bytes of one stream into lines, without breaking characters. A line that is too long is handed on in pieces. */
export class LogLines {
  readonly #decoder = new StringDecoder("utf8");
  readonly #onLine: (line: string) => void;
  #rest = "";

  /** Lines end in a line feed, except the last one of a stream. */
  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(bytes: Uint8Array): void {
    const text = this.#rest + this.#decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      this.#onLine(text.slice(start, end + 1));
      start = end + 1;
    }
    this.#rest = text.slice(start);
    while (this.#rest.length > MAX_LINE) {
      this.#onLine(this.#rest.slice(0, MAX_LINE));
      this.#rest = this.#rest.slice(MAX_LINE);
    }
  }

  end(): void {
    const last = this.#rest + this.#decoder.end();
    if (last !== "") this.#onLine(last);
    this.#rest = "";
  }
}
