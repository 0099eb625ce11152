// From the lines of a Dockerfile to logical instructions: comments, continuations and here-documents are gone.
import { ImageError } from "../errors.ts";

export interface Heredoc {
  readonly name: string;
  /** With the line breaks, without the end line. */
  readonly body: string;
  /** A quoted name (`<<"EOF"`) keeps `$` in the body as it is. */
  readonly expand: boolean;
}

export interface LogicalLine {
  /** Line of the file on which it begins, from 1. */
  readonly line: number;
  /** Upper case. */
  readonly keyword: string;
  /** The rest of the instruction, continuations joined. */
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
}

/** More lines than any real file has; bounds the work for hostile input. */
const MAX_LINES = 20_000;
const HEREDOC = /<<(-?)(["']?)([A-Za-z_][A-Za-z0-9_]*)\2/g;
/** Instructions in which `<<NAME` begins a here-document. */
const TAKES_HEREDOC = new Set(["RUN", "COPY", "ADD"]);

export function lexDockerfile(text: string): LogicalLine[] {
  const lines = text.split(/\r?\n/);
  if (lines.length > MAX_LINES)
    throw new ImageError("invalid", `The Dockerfile has ${lines.length} lines; at most ${MAX_LINES} are served.`);
  const continuation = escapeOf(lines) === "`" ? /`\s*$/ : /\\\s*$/;
  const result: LogicalLine[] = [];
  let at = 0;
  while (at < lines.length) {
    const first = at;
    const head = (lines[at] ?? "").trim();
    if (head === "" || head.startsWith("#")) {
      at += 1;
      continue;
    }
    const parts: string[] = [];
    let continues = true;
    while (continues && at < lines.length) {
      const line = lines[at] ?? "";
      at += 1;
      // Inside a continuation, comment lines and empty lines are left out.
      if (parts.length > 0 && (line.trim() === "" || line.trim().startsWith("#"))) continue;
      continues = continuation.test(line);
      parts.push(continues ? line.replace(continuation, "") : line);
    }
    const joined = parts.join("").trim();
    const [, word = "", rest = ""] = /^(\S+)\s*([\s\S]*)$/.exec(joined) ?? [];
    const keyword = word.toUpperCase();
    const heredocs: Heredoc[] = [];
    if (TAKES_HEREDOC.has(keyword)) {
      for (const [, dash = "", quote = "", name = ""] of rest.matchAll(HEREDOC)) {
        const body: string[] = [];
        let closed = false;
        while (at < lines.length && !closed) {
          const line = dash === "-" ? (lines[at] ?? "").replace(/^\t+/, "") : (lines[at] ?? "");
          at += 1;
          closed = line === name;
          if (!closed) body.push(`${line}\n`);
        }
        if (!closed) throw new ImageError("invalid", `Line ${first + 1}: the here-document <<${name} is never closed by a line "${name}".`);
        heredocs.push({ name, body: body.join(""), expand: quote === "" });
      }
    }
    result.push({ line: first + 1, keyword, rest: rest.trim(), heredocs });
  }
  return result;
}

/** The directive `# escape=` may stand among the comments before anything else. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name = "", value = ""] = /^\s*#\s*([A-Za-z]+)\s*=\s*(\S+)\s*$/.exec(line) ?? [];
    if (name === "") return "\\";
    if (name.toLowerCase() === "escape") return value;
  }
  return "\\";
}
