// Shows where in the user's own files an error came from.
import { readFileSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Style } from "./style.ts";

export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line of the stack that says so. */
  readonly text: string;
}

const FRAME = /(?:\(|at (?:async )?|^)((?:file:\/\/)?[^\s()]+?):(\d+):(\d+)\)?$/;

/** The first frame of a stack that lies in a file of the user: it exists, is no package and none of Node's. */
export function placeOf(stack: string, root: string): Place | undefined {
  for (const text of stack.split("\n")) {
    const match = FRAME.exec(text.trim());
    if (!match?.[1]) continue;
    const path = match[1].startsWith("file://") ? toPath(match[1]) : match[1];
    if (path.startsWith("node:") || path.includes("/node_modules/") || path.includes("/packages/lydian/dist/")) continue;
    const file = isAbsolute(path) ? path : resolve(root, path);
    if (readLines(file)) return { file, line: Number(match[2]), column: Number(match[3]), text };
  }
  return undefined;
}

/** The line with its neighbours and a mark under the column. Empty when the file has no such line. */
export function codeFrame(place: Place, style: Style): string {
  const lines = readLines(place.file);
  if (lines?.[place.line - 1] === undefined) return "";
  const from = Math.max(1, place.line - 2);
  const to = Math.min(lines.length, place.line + 1);
  const width = String(to).length;
  const shown = [];
  for (let number = from; number <= to; number++) {
    const hit = number === place.line;
    const gutter = `${hit ? ">" : " "} ${String(number).padStart(width)} | `;
    shown.push(hit ? `${style.red(gutter)}${lines[number - 1] ?? ""}` : style.dim(`${gutter}${lines[number - 1] ?? ""}`));
    if (hit) shown.push(style.red(`${" ".repeat(gutter.length + Math.max(0, place.column - 1))}^`));
  }
  return shown.join("\n");
}

function toPath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}

function readLines(file: string): readonly string[] | undefined {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return undefined;
  }
}
