import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT_MARKS = [".git", "package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb", "deno.lock"];

/**
 * The directory that paths in stacks and in the container are relative to: the nearest one above the entry with a repository or a lock
 * file, else with a package.json, else the entry's own. It does not depend on the working directory, so neither does the bundle's hash.
 */
export function projectRoot(entry: string): string {
  const above = [...ancestors(dirname(entry))];
  const has = (names: readonly string[]) => above.find((dir) => names.some((name) => existsSync(join(dir, name))));
  return has(ROOT_MARKS) ?? has(["package.json"]) ?? dirname(entry);
}

/** The directory and all above it, nearest first. */
export function* ancestors(dir: string): Generator<string> {
  for (let at = dir; ; at = dirname(at)) {
    yield at;
    if (at === dirname(at)) return;
  }
}
