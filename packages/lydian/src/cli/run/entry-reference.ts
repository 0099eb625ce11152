import { statSync } from "node:fs";
import { resolve } from "node:path";
import { UsageError } from "../exit.ts";

export interface EntryReference {
  /** Absolute path. */
  readonly file: string;
  /** The part after `::`. */
  readonly name: string | undefined;
}

const EXTENSIONS = [".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"];

/** Reads `FILE` or `FILE::name`. Throws UsageError, in the words of `command`, when the file is not there or is not code. */
export function parseEntryReference(text: string, cwd: string, command = "run"): EntryReference {
  const at = text.lastIndexOf("::");
  const path = at === -1 ? text : text.slice(0, at);
  const name = at === -1 ? undefined : text.slice(at + 2);
  if (path === "") throw new UsageError(`"${text}" names no file`, `lydian ${command} FILE or lydian ${command} FILE::name`);
  if (name !== undefined && !/^[\p{L}_$][\p{L}\p{N}_$.-]*$/u.test(name)) {
    throw new UsageError(
      `"${name}" in "${text}" cannot be the name of ${command === "run" ? "a function or entrypoint" : "an app"}`,
      `lydian ${command} FILE::name`,
    );
  }
  const file = resolve(cwd, path);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) {
    const guess = EXTENSIONS.find((extension) => statSync(file + extension, { throwIfNoEntry: false })?.isFile());
    throw new UsageError(`there is no file ${path}`, guess ? `Did you mean ${path}${guess}?` : `Looked at ${file}`);
  }
  if (!stat.isFile()) throw new UsageError(`${path} is not a file`, `lydian ${command} takes the TypeScript file that defines the app.`);
  if (!EXTENSIONS.some((extension) => file.endsWith(extension))) {
    throw new UsageError(`${path} is not a TypeScript or JavaScript file`, `Known endings: ${EXTENSIONS.join(" ")}`);
  }
  return { file, name };
}
