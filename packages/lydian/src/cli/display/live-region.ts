// A few lines at the bottom of the terminal that are redrawn in place, while everything else is printed above them.
//
// Each change is one write (erase, text, redraw), inside a synchronized update for terminals that know it: no flicker.
import { stripVTControlCharacters } from "node:util";

export interface TerminalOutput {
  readonly columns?: number;
  write(text: string): unknown;
}

const BEGIN = "\u001b[?2026h";
const END = "\u001b[?2026l";

export class LiveRegion {
  readonly #output: TerminalOutput;
  #lines: readonly string[] = [];
  /** Columns of the unfinished line above the region, e.g. after `process.stdout.write("working")`. */
  #tail = 0;

  constructor(output: TerminalOutput) {
    this.#output = output;
  }

  get columns(): number {
    return this.#output.columns ?? 80;
  }

  draw(lines: readonly string[]): void {
    if (lines.length === this.#lines.length && lines.every((line, index) => line === this.#lines[index])) return;
    const erase = this.#erase();
    this.#lines = lines;
    this.#output.write(BEGIN + erase + this.#paint() + END);
  }

  /** Prints above the region, through `print`: the stream to which the text belongs. */
  print(text: string, print: (text: string) => void): void {
    if (text === "") return;
    const erase = this.#erase();
    if (erase !== "") this.#output.write(erase);
    print(text);
    const lastLine = text.slice(text.lastIndexOf("\n") + 1);
    const columns = [...stripVTControlCharacters(lastLine)].length;
    this.#tail = (text.includes("\n") ? columns : this.#tail + columns) % this.columns;
    const paint = this.#paint();
    if (paint !== "") this.#output.write(paint);
  }

  /** Removes the region; what was printed stays. */
  clear(): void {
    const erase = this.#erase();
    this.#lines = [];
    if (erase !== "") this.#output.write(erase);
  }

  /** Cursor to where printed text goes on, everything below erased. */
  #erase(): string {
    if (this.#lines.length === 0) return "";
    const up = this.#lines.length + (this.#tail > 0 ? 1 : 0);
    return `\u001b[${up}A\r${this.#tail > 0 ? `\u001b[${this.#tail}C` : ""}\u001b[J`;
  }

  #paint(): string {
    if (this.#lines.length === 0) return "";
    return `${this.#tail > 0 ? "\n" : ""}${this.#lines.join("\n")}\n`;
  }
}
