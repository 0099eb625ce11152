import { relative, resolve } from "node:path";
import { LydianError } from "@lydian/protocol";
import type { BuildFailure, Message } from "esbuild";

/** What esbuild found wrong, as `file:line:column: text` with the line, ready for a person. */
export function bundleError(failure: unknown, root: string): unknown {
  if (!isBuildFailure(failure)) return failure;
  const missing = failure.errors.flatMap(({ text }) => /^Could not resolve "((?:@[^/"]+\/)?[^."/][^"/]*)/.exec(text)?.[1] ?? []);
  const names = [...new Set(missing)];
  return new LydianError("invalid_argument", failure.errors.map((message) => describeMessage(message, root)).join("\n\n"), {
    details: failure.errors,
    ...(names.length > 0 && { hint: `Not installed here: npm install ${names.join(" ")}` }),
  });
}

export function describeMessage({ text, location, notes }: Message, root: string): string {
  const lines: string[] = [];
  if (location) {
    const file = location.namespace === "file" || location.namespace === "" ? shownPath(resolve(root, location.file)) : location.file;
    lines.push(`${file}:${location.line}:${location.column + 1}: ${text}`);
    if (location.lineText.length <= 400)
      lines.push(`  ${location.lineText}`, `  ${location.lineText.slice(0, location.column).replace(/[^\t]/g, " ")}^`);
  } else lines.push(text);
  for (const note of notes) if (note.text) lines.push(note.text);
  return lines.join("\n");
}

function shownPath(file: string): string {
  const fromHere = relative(process.cwd(), file);
  return fromHere.startsWith("..") ? file : fromHere;
}

function isBuildFailure(value: unknown): value is BuildFailure {
  return value instanceof Error && Array.isArray((value as Partial<BuildFailure>).errors);
}
