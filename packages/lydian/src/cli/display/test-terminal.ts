// A terminal for tests: understands the few control sequences that the live region uses and shows the screen as lines.

const SEQUENCE = new RegExp(`${String.fromCharCode(27)}\\[(\\??[\\d;]*)([A-Za-z])|[\\s\\S]`, "gu");

export class TestTerminal {
  readonly isTTY = true;
  readonly columns: number;
  readonly written: string[] = [];
  readonly #rows: string[][] = [[]];
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): boolean {
    this.written.push(text);
    const tokens = text.matchAll(SEQUENCE);
    for (const [token, parameter = "", command] of tokens) {
      if (command !== undefined) this.#control(command, Number(parameter) || 1);
      else if (token === "\n") this.#moveTo(this.#row + 1, 0);
      else if (token === "\r") this.#column = 0;
      else this.#put(token);
    }
    return true;
  }

  /** Lines without trailing spaces, the empty ones at the end left out. */
  screen(): string[] {
    const lines = this.#rows.map((row) => row.join("").trimEnd());
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }

  #put(character: string): void {
    if (this.#column >= this.columns) this.#moveTo(this.#row + 1, 0);
    const row = this.#rows[this.#row] ?? [];
    while (row.length < this.#column) row.push(" ");
    row[this.#column] = character;
    this.#column++;
  }

  #moveTo(row: number, column: number): void {
    while (this.#rows.length <= row) this.#rows.push([]);
    this.#row = row;
    this.#column = column;
  }

  #control(command: string, count: number): void {
    if (command === "A") this.#row = Math.max(0, this.#row - count);
    else if (command === "C") this.#column += count;
    else if (command === "J") {
      this.#rows.length = this.#row + 1;
      this.#rows[this.#row]?.splice(this.#column);
    }
  }
}
