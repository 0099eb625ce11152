// Is packages/lydian/dist made from the sources as they are now? The build writes down the time and size of each file it
// read; a different one means a rebuild. Also right after a checkout of an older commit, where "newer than" is not.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const STAMP = "packages/lydian/dist/build.json";

/** Times and sizes of the files, in one string each, so that a comparison is a comparison of strings. */
function stateOf(root, path) {
  const stat = statSync(join(root, path), { throwIfNoEntry: false });
  return stat ? `${stat.mtimeMs} ${stat.size}` : "missing";
}

export function isBuildCurrent(root) {
  try {
    const { files } = JSON.parse(readFileSync(join(root, STAMP), "utf8"));
    return Object.entries(files).every(([path, state]) => stateOf(root, path) === state);
  } catch {
    return false;
  }
}

/**
 * `id` changes with the content of the build: a running server of another build is recognised by it.
 * A file that changed after `startedAt` (milliseconds) may have been read before: it counts as not built.
 */
export function recordBuild(root, id, paths, startedAt) {
  const files = Object.fromEntries(paths.map((path) => [path, stateOf(root, path)]));
  for (const path of paths) {
    if ((statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0) > startedAt) files[path] = "changed while it was built";
  }
  writeFileSync(join(root, STAMP), `${JSON.stringify({ id, files })}\n`);
}
