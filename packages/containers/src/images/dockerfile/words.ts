// Words, quotes and variables of Dockerfile instructions (not of RUN: there the shell does it).

/** Variables by name; undefined when unset. */
export type Lookup = (name: string) => string | undefined;

interface Scan {
  readonly text: string;
  at: number;
}

/**
 * Splits at white space outside quotes, removes the quotes and replaces `$NAME`, `${NAME}`, `${NAME:-default}`,
 * `${NAME:+value}` and `${NAME:?message}` (each also without the colon), except within single quotes. Throws RangeError for an open quote or a wrong `${…}`.
 */
export function splitWords(text: string, lookup: Lookup): string[] {
  const words: string[] = [];
  const scan: Scan = { text, at: 0 };
  while (true) {
    while (isSpace(text[scan.at])) scan.at += 1;
    if (scan.at >= text.length) return words;
    words.push(readWord(scan, lookup, isSpace));
  }
}

/** One value to the end of the text: like a word, but white space belongs to it. */
export function expandValue(text: string, lookup: Lookup): string {
  return readWord({ text, at: 0 }, lookup, () => false);
}

/** Only the variables of a text whose quotes are none of our business, e.g. the body of a here-document. */
export function expandVariables(text: string, lookup: Lookup): string {
  const scan: Scan = { text, at: 0 };
  let out = "";
  while (scan.at < text.length) {
    if (text[scan.at] === "\\" && text[scan.at + 1] === "$") {
      out += "$";
      scan.at += 2;
    } else if (text[scan.at] === "$") {
      out += readVariable(scan, lookup);
    } else {
      out += text[scan.at];
      scan.at += 1;
    }
  }
  return out;
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\t" || character === "\n" || character === "\r";
}

function readWord(scan: Scan, lookup: Lookup, ends: (character: string | undefined) => boolean): string {
  let out = "";
  while (scan.at < scan.text.length && !ends(scan.text[scan.at])) {
    const character = scan.text[scan.at] as string;
    if (character === "'") {
      const close = scan.text.indexOf("'", scan.at + 1);
      if (close < 0) throw new RangeError("a single quote is never closed");
      out += scan.text.slice(scan.at + 1, close);
      scan.at = close + 1;
    } else if (character === '"') {
      out += readDoubleQuoted(scan, lookup);
    } else if (character === "\\") {
      out += scan.text[scan.at + 1] ?? "";
      scan.at += 2;
    } else if (character === "$") {
      out += readVariable(scan, lookup);
    } else {
      out += character;
      scan.at += 1;
    }
  }
  return out;
}

function readDoubleQuoted(scan: Scan, lookup: Lookup): string {
  let out = "";
  scan.at += 1;
  while (true) {
    const character = scan.text[scan.at];
    if (character === undefined) throw new RangeError("a double quote is never closed");
    if (character === '"') {
      scan.at += 1;
      return out;
    }
    const next = scan.text[scan.at + 1];
    if (character === "\\" && (next === '"' || next === "\\" || next === "$" || next === "`")) {
      out += next;
      scan.at += 2;
    } else if (character === "$") {
      out += readVariable(scan, lookup);
    } else {
      out += character;
      scan.at += 1;
    }
  }
}

/** At a `$`. A `$` that begins no variable stays. */
function readVariable(scan: Scan, lookup: Lookup): string {
  const plain = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(scan.text.slice(scan.at, scan.at + 256));
  if (plain) {
    scan.at += plain[0].length;
    return lookup(plain[1] ?? "") ?? "";
  }
  if (scan.text[scan.at + 1] !== "{") {
    scan.at += 1;
    return "$";
  }
  const close = closingBrace(scan.text, scan.at + 2);
  const inner = scan.text.slice(scan.at + 2, close);
  const [, name = "", operator = "", operand = ""] = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])([\s\S]*))?$/.exec(inner) ?? [];
  if (name === "") throw new RangeError(`"\${${inner}}" is not served; \${NAME}, \${NAME:-default} and \${NAME:+value} are`);
  scan.at = close + 1;
  const value = lookup(name);
  const isSet = value !== undefined && value !== "";
  const counts = operator.startsWith(":") ? isSet : value !== undefined;
  if (operator.endsWith("-")) return counts ? (value ?? "") : expandValue(operand, lookup);
  if (operator.endsWith("+")) return counts ? expandValue(operand, lookup) : "";
  if (operator.endsWith("?") && !counts)
    throw new RangeError(operand === "" ? `${name} is not set` : `${name}: ${expandValue(operand, lookup)}`);
  return value ?? "";
}

function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === "{") depth += 1;
    if (text[at] === "}") depth -= 1;
    if (depth === 0) return at;
  }
  throw new RangeError('a "${" is never closed');
}
