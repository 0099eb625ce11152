// Which file of the build context goes where: the rules of COPY, without touching a disk.
import { posix } from "node:path";
import type { ContextFile } from "./context.ts";
import { componentMatches, componentPattern } from "./glob.ts";

export interface CopyTarget {
  /** Absolute path in the image. */
  readonly path: string;
  readonly file: ContextFile;
}

export interface CopyRequest {
  readonly sources: readonly string[];
  readonly destination: string;
  readonly workdir: string;
  /** Whether the image has a directory at the destination already. */
  readonly destinationIsDirectory: boolean;
  /** Keeps the directories of the sources, from the context's root or from "/./" on; the destination is a directory then. */
  readonly parents?: boolean;
  /** Leaves out files, by their path relative to a source that is a directory, or by their name. */
  readonly isExcluded?: (path: string) => boolean;
}

/** The targets in a stable order. Throws RangeError that names the source that is wrong. */
export function planCopy(files: readonly ContextFile[], request: CopyRequest): readonly CopyTarget[] {
  const { sources, workdir } = request;
  const destination = posix.resolve(workdir, request.destination);
  const targets = new Map<string, ContextFile>();
  const matches = sources.map((source) => ({ source, found: matchSource(files, source) }));
  const several = matches.length > 1 || (matches[0]?.found.length ?? 0) > 1;
  if (
    several &&
    request.parents !== true &&
    !/(^|\/)\.{0,2}$/.test(request.destination) &&
    !request.destinationIsDirectory &&
    matches.some(({ found }) => found.every((match) => match.kind === "file"))
  ) {
    throw new RangeError(`several files cannot be copied to "${request.destination}"; end the destination with "/"`);
  }
  const intoDirectory = several || /(^|\/)\.{0,2}$/.test(request.destination) || request.destinationIsDirectory;
  for (const { source, found } of matches) {
    // What stands before "/./" is not kept.
    const [, dropped = ""] = /^(?:\.\/)?(.*?)\/\.\//.exec(source) ?? [];
    const depth = dropped.split("/").filter(Boolean).length;
    for (const match of found) {
      if (request.parents === true) {
        for (const file of match.kind === "directory" ? match.files : [match.file]) {
          const kept = file.path
            .split("/")
            .slice(1 + depth)
            .join("/");
          const named = match.kind === "directory" ? posix.relative(match.path, file.path) : posix.basename(file.path);
          if (!request.isExcluded?.(named)) targets.set(posix.join(destination, kept), file);
        }
        continue;
      }
      if (match.kind === "directory")
        for (const file of match.files) {
          const relative = posix.relative(match.path, file.path);
          if (!request.isExcluded?.(relative)) targets.set(posix.join(destination, relative), file);
        }
      else if (!request.isExcluded?.(posix.basename(match.path)))
        targets.set(intoDirectory ? posix.join(destination, posix.basename(match.path)) : destination, match.file);
    }
  }
  return [...targets].map(([path, file]) => ({ path, file })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

type Match =
  | { readonly kind: "file"; readonly path: string; readonly file: ContextFile }
  | { readonly kind: "directory"; readonly path: string; readonly files: readonly ContextFile[] };

function matchSource(files: readonly ContextFile[], source: string): readonly Match[] {
  if (source.split("/").includes("..")) throw new RangeError(`"${source}" leads outside of the build context`);
  const pattern = posix.resolve("/", source);
  const depth = pattern === "/" ? 0 : pattern.split("/").length - 1;
  const matches = componentMatcher(pattern);
  const directories = new Map<string, ContextFile[]>();
  const found: Match[] = [];
  for (const file of files) {
    const components = file.path.split("/").slice(1);
    if (components.length < depth || !matches(components.slice(0, depth))) continue;
    if (components.length === depth) {
      found.push({ kind: "file", path: file.path, file });
      continue;
    }
    const directory = `/${components.slice(0, depth).join("/")}`;
    const members = directories.get(directory);
    if (members === undefined) directories.set(directory, [file]);
    else members.push(file);
  }
  for (const [path, members] of directories) found.push({ kind: "directory", path, files: members });
  if (found.length === 0) {
    const nearby = files.slice(0, 5).map((file) => file.path);
    const has = nearby.length === 0 ? "it is empty" : `it has e.g. ${nearby.join(", ")}`;
    throw new RangeError(`"${source}" is not in the build context; ${has}`);
  }
  return found;
}

/** `*`, `?` and `[…]` within a component, as in shells. */
function componentMatcher(pattern: string): (components: readonly string[]) => boolean {
  const expressions = pattern.split("/").slice(1).map(componentPattern);
  return (components) => components.every((component, index) => componentMatches(component, expressions[index] ?? ""));
}
