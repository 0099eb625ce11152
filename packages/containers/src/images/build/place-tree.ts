// Files that lie ready in a private directory become part of a layer. They are moved, not copied.
import type { Stats } from "node:fs";
import { chmod, lchown, lstat, readdir, rename } from "node:fs/promises";
import { join, posix } from "node:path";
import { throwIfCancelled } from "../errors.ts";
import { LayerWriter, type LayerWriterOptions, type Owner } from "./layer-writer.ts";

export interface Placement {
  /** File, link or directory on this machine, on the filesystem of the layer. */
  readonly from: string;
  /** Absolute path in the image. Of a directory the entries are placed, below this path. */
  readonly path: string;
}

export interface PlaceOptions extends LayerWriterOptions {
  /** Mode of all files and directories. Default each one's own. */
  readonly mode?: number;
  /** Owner of everything. Default: each one's own. */
  readonly owner?: Owner;
  /** Whether an entry is left out, by its path relative to its placement. */
  readonly skip?: (relative: string) => boolean;
}

/** Makes the layer at `root`, which is created. */
export async function placeTree(root: string, placements: readonly Placement[], options: PlaceOptions, signal: AbortSignal): Promise<void> {
  const writer = await LayerWriter.create(root, options);
  for (const { from, path } of placements) {
    const stats = await lstat(from);
    if (stats.isDirectory()) {
      await writer.directory(path, { uid: stats.uid, gid: stats.gid, mode: modeOf(stats, options) });
      await placeEntries(writer, from, path, "", options, signal);
    } else if (!options.skip?.(posix.basename(path))) {
      await placeFile(writer, from, path, stats, options);
    }
  }
}

async function placeEntries(
  writer: LayerWriter,
  from: string,
  path: string,
  relative: string,
  options: PlaceOptions,
  signal: AbortSignal,
): Promise<void> {
  throwIfCancelled(signal);
  for (const name of await readdir(from)) {
    const inside = posix.join(relative, name);
    if (options.skip?.(inside)) continue;
    const source = join(from, name);
    const target = posix.join(path, name);
    const stats = await lstat(source);
    if (!stats.isDirectory()) await placeFile(writer, source, target, stats, options);
    else {
      await writer.directory(target, { uid: stats.uid, gid: stats.gid, mode: modeOf(stats, options) });
      await placeEntries(writer, source, target, inside, options, signal);
    }
  }
}

async function placeFile(writer: LayerWriter, from: string, path: string, stats: Stats, options: PlaceOptions): Promise<void> {
  const target = await writer.place(path);
  await rename(from, target);
  // Before the mode: a new owner takes away special bits.
  if (options.owner !== undefined && process.getuid?.() === 0) await lchown(target, options.owner.uid, options.owner.gid);
  if (!stats.isSymbolicLink()) await chmod(target, modeOf(stats, options));
}

function modeOf(stats: Stats, { mode }: PlaceOptions): number {
  return mode ?? stats.mode & 0o7777;
}
