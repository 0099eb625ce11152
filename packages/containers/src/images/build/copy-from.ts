// COPY --from: files of another stage or image. What a path means is looked up in the layers; the files themselves are
// read through the kernel.
import { mkdir } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { CopyArguments } from "./copy-arguments.ts";
import type { CopyStep } from "./copy-step.ts";
import { componentMatches, componentPattern, exclusion } from "./glob.ts";
import { copyImageFiles } from "./image-files.ts";
import { placeTree } from "./place-tree.ts";
import { RootfsView } from "./rootfs-view.ts";

export interface SourceImage {
  /** As written, for messages. */
  readonly name: string;
  /** Bottom first. */
  readonly ids: readonly string[];
  /** Directories of the layers, topmost first. */
  readonly layers: readonly string[];
}

interface Found {
  /** Path in the source image, as asked for. */
  readonly path: string;
  /** The same without links. */
  readonly real: string;
  readonly isDirectory: boolean;
}

/** Throws RangeError for a source that the image does not have. */
export async function prepareCopyFrom(said: CopyArguments & { workdir: string }, source: SourceImage): Promise<CopyStep> {
  const { destination, mode, owner, exclude, view } = said;
  const files = new RootfsView(source.layers);
  const found = (await Promise.all(said.sources.map((path) => findSources(files, path, source.name)))).flat();
  const target = posix.resolve(said.workdir, destination);
  const several = found.length > 1;
  const endsAsDirectory = /(^|\/)\.{0,2}$/.test(destination);
  if (several && !endsAsDirectory && !said.destinationIsDirectory && found.some(({ isDirectory }) => !isDirectory))
    throw new RangeError(`several files cannot be copied to "${destination}"; end the destination with "/"`);
  const intoDirectory = several || endsAsDirectory || said.destinationIsDirectory;
  const places = found.map(({ path, isDirectory }) => (isDirectory || !intoDirectory ? target : posix.join(target, posix.basename(path))));
  return {
    key: { from: source.ids, files: found.map(({ real }, index) => [real, places[index]]), mode, owner: { ...owner }, exclude },
    make: async (layer, signal) => {
      const scratch = join(dirname(layer), "from");
      await mkdir(scratch);
      const copies = found.map(({ real }, index) => ({ path: real, to: join(scratch, String(index)) }));
      await copyImageFiles({ layers: source.layers, files: copies, scratch, signal });
      const placements = copies.map(({ to }, index) => ({ from: to, path: places[index] ?? target }));
      const skip = exclude.length === 0 ? {} : { skip: exclusion(exclude) };
      await placeTree(layer, placements, { view, owner, ...(mode === undefined ? {} : { mode }), ...skip }, signal);
    },
  };
}

export async function findSources(files: RootfsView, source: string, name: string): Promise<readonly Found[]> {
  if (source.split("/").includes("..")) throw new RangeError(`"${source}" leads outside of ${name}`);
  let paths = ["/"];
  for (const component of posix.resolve("/", source).split("/").slice(1)) {
    if (component === "") continue;
    const pattern = componentPattern(component);
    if (typeof pattern === "string") paths = paths.map((path) => posix.join(path, pattern));
    else {
      const lists = await Promise.all(
        paths.map(async (path) => {
          const entries = await files.list(await files.resolveDirectory(path));
          return entries.filter((entry) => componentMatches(entry, pattern)).map((entry) => posix.join(path, entry));
        }),
      );
      paths = lists.flat();
    }
  }
  const found: Found[] = [];
  for (const path of paths.sort()) {
    const real = await files.resolveDirectory(path);
    const entry = real === "/" ? undefined : await files.entry(real);
    if (real === "/") found.push({ path, real, isDirectory: true });
    else if (entry !== undefined) found.push({ path, real, isDirectory: entry.stats.isDirectory() });
  }
  if (found.length === 0) throw new RangeError(`"${source}" is not in ${name}`);
  return found;
}
