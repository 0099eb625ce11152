// Files that travel beside the code, found by pattern: `./prompts/**`, `*.txt`, `data/?.json`.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { LydianError } from "@lydian/protocol";
import type { BundleFile } from "../../run/bundle.ts";
import { projectPath, SOURCE_DIR } from "./place.ts";

const MAX_FILES = 20_000;
const SKIPPED = new Set(["node_modules", ".git"]);

/**
 * Files by container path. Patterns are relative to `base`; `*` and `?` stay within a directory, `**` does not; a directory means all in
 * it. Throws `invalid_argument` for a pattern without files, one that leaves the project, and more than 20,000 files.
 */
export function collectAssets(patterns: readonly string[], { base, root }: { base: string; root: string }): Map<string, BundleFile> {
  const files = new Map<string, BundleFile>();
  for (const pattern of patterns) {
    const before = files.size;
    let matched = 0;
    for (const file of matching(resolve(base, pattern))) {
      matched++;
      if (relative(root, file).startsWith("..") || isAbsolute(relative(root, file))) {
        throw new LydianError("invalid_argument", `the asset ${file} (of "${pattern}") lies outside the project ${root}`, {
          hint: "Copy it into the project, or add it to the image: Image.addLocalFile().",
        });
      }
      files.set(`${SOURCE_DIR}/${projectPath(root, file)}`, { data: readFileSync(file), mode: statSync(file).mode & 0o777 });
      if (files.size > MAX_FILES) {
        throw new LydianError("invalid_argument", `the assets are more than ${MAX_FILES} files (at "${pattern}")`, {
          hint: "Add directories of this size to the image: Image.addLocalDir().",
        });
      }
    }
    if (matched === 0 && files.size === before) {
      throw new LydianError("invalid_argument", `no file matches the asset "${pattern}"`, { hint: `It is relative to ${base}.` });
    }
  }
  return files;
}

function* matching(pattern: string): Generator<string> {
  const steps = pattern.split(sep);
  const firstWild = steps.findIndex((step) => /[*?]/.test(step));
  if (firstWild === -1) {
    const stat = statSync(pattern, { throwIfNoEntry: false });
    if (stat?.isFile()) yield pattern;
    else if (stat?.isDirectory()) yield* walk(pattern);
    return;
  }
  const fixed = steps.slice(0, firstWild).join(sep) || sep;
  if (!statSync(fixed, { throwIfNoEntry: false })?.isDirectory()) return;
  const wanted = toRegExp(pattern);
  for (const file of walk(fixed)) if (wanted.test(file)) yield file;
}

/** Files in a stable order, so that equal projects make equal bundles. Links to directories are not followed. */
function* walk(dir: string): Generator<string> {
  const entries = readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) yield* walk(path);
    } else if (entry.isFile() || (entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isFile())) yield path;
  }
}

function toRegExp(pattern: string): RegExp {
  const source = pattern.replace(/\*\*\/?|\*|\?|[.+^${}()|[\]\\]/g, (token) => {
    if (token === "**/") return "(?:[^/]+/)*";
    if (token === "**") return ".*";
    if (token === "*") return "[^/]*";
    if (token === "?") return "[^/]";
    return `\\${token}`;
  });
  return new RegExp(`^${source}$`);
}
