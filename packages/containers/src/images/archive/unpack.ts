// Writes the entries of an archive from the network below a directory, and nowhere else. Each entry's parents are
// looked at before it is written, so that no entry goes through a link that an earlier one has made.
import { constants } from "node:fs";
import { chmod, chown, lchown, link, lstat, lutimes, mkdir, open, rm, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { ImageError, throwIfCancelled } from "../errors.ts";
import { readTar, type TarEntry } from "./tar-reader.ts";
import { makeOpaque, Whiteouts } from "./whiteouts.ts";

export interface UnpackOptions {
  /** Existing empty directory that becomes the root. */
  readonly into: string;
  /** Private directory on the same filesystem, needed for whiteouts. Absent: `.wh.` names are ordinary names. */
  readonly whiteouts?: string;
  /** Leading path components to remove, as npm packages need (1). Default 0. */
  readonly strip?: number;
  /** Decides which entries are written, by their path after `strip`. Default all. */
  readonly accept?: (path: string) => boolean;
  /** Owners from the archive. Default false: those of this process, with group and others allowed to read. */
  readonly keepOwners?: boolean;
  /** Sum of the file sizes. Default 64 GiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

const MAX_ENTRIES = 2_000_000;
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** Path components of an entry below the root. Throws for anything that could lead outside. */
export function safeComponents(path: string): readonly string[] {
  if (path.includes("\0")) throw new ImageError("corrupt", `The archive has a path with a zero byte: ${JSON.stringify(path)}.`);
  const components = path.split("/").filter((component) => component !== "" && component !== ".");
  if (components.includes(".."))
    throw new ImageError("corrupt", `The archive has the path ${JSON.stringify(path)}, which leads outside of its root.`);
  return components;
}

interface Directory {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

export async function unpackTar(source: AsyncIterable<Uint8Array>, options: UnpackOptions): Promise<void> {
  const { into } = options;
  const maxBytes = options.maxBytes ?? 64 * 2 ** 30;
  const whiteouts = options.whiteouts === undefined ? undefined : new Whiteouts(options.whiteouts);
  /** Directories of this archive that are known to be real ones. */
  const real = new Set<string>([into]);
  /** Attributes are set last: a file written later would change the time, a read-only mode would stop it. */
  const directories = new Map<string, Directory>();
  const opaque = new Set<string>();
  let bytes = 0;
  let entries = 0;

  const parentOf = async (components: readonly string[], path: string): Promise<string> => {
    let parent = into;
    for (const component of components.slice(0, -1)) {
      parent = join(parent, component);
      if (real.has(parent)) continue;
      const found = await lstat(parent).catch(() => undefined);
      if (found === undefined) {
        await mkdir(parent, { mode: 0o755 });
        directories.set(parent, { path: parent, mode: 0o755, uid: 0, gid: 0, mtime: 0 });
      } else if (!found.isDirectory())
        throw new ImageError(
          "corrupt",
          `The archive has the path ${JSON.stringify(path)}, whose parent is not a directory but a link or file of the same archive.`,
        );
      real.add(parent);
    }
    return parent;
  };
  /** Frees the place of an entry; a directory may only be replaced by a directory, which is then the same. */
  const clear = async (target: string, byDirectory: boolean): Promise<boolean> => {
    const found = await lstat(target).catch(() => undefined);
    if (found === undefined) return false;
    if (found.isDirectory() && byDirectory) return true;
    await rm(target, { recursive: true, force: true });
    for (const known of real) if (known === target || known.startsWith(`${target}/`)) real.delete(known);
    for (const known of directories.keys()) if (known === target || known.startsWith(`${target}/`)) directories.delete(known);
    return false;
  };

  for await (const { entry, content } of readTar(source)) {
    throwIfCancelled(options.signal);
    entries += 1;
    if (entries > MAX_ENTRIES) throw new ImageError("corrupt", `The archive has more than ${MAX_ENTRIES} entries.`);
    const components = safeComponents(entry.path).slice(options.strip ?? 0);
    const name = components.at(-1);
    if (name === undefined) {
      if (entry.type === "directory" && (options.strip ?? 0) === 0) directories.set(into, attributesOf(entry, into));
      continue;
    }
    const relative = components.join("/");
    if (options.accept?.(relative) === false) continue;
    const parent = await parentOf(components, entry.path);
    if (whiteouts !== undefined && name === OPAQUE) {
      opaque.add(parent);
      continue;
    }
    if (whiteouts !== undefined && name.startsWith(WHITEOUT)) {
      const hidden = safeComponents(name.slice(WHITEOUT.length)).at(-1);
      if (hidden === undefined)
        throw new ImageError("corrupt", `The archive has the entry ${JSON.stringify(entry.path)}, which deletes nothing.`);
      const target = join(parent, hidden);
      if ((await lstat(target).catch(() => undefined)) === undefined) await whiteouts.make(target);
      continue;
    }
    const target = join(parent, name);
    switch (entry.type) {
      case "directory":
        if (!(await clear(target, true))) await mkdir(target, { mode: 0o755 });
        real.add(target);
        directories.set(target, attributesOf(entry, target));
        break;
      case "file":
        bytes += entry.size;
        if (bytes > maxBytes) throw new ImageError("corrupt", `The archive unpacks to more than ${maxBytes} bytes.`);
        await clear(target, false);
        await writeFile(target, entry, content, options.keepOwners ?? false);
        break;
      case "symlink":
        if (entry.link === "") throw new ImageError("corrupt", `The archive has a link without a target: ${JSON.stringify(entry.path)}.`);
        await clear(target, false);
        await symlink(entry.link, target);
        if (options.keepOwners) await lchown(target, entry.uid, entry.gid);
        await lutimes(target, entry.mtime, entry.mtime);
        break;
      case "hardlink": {
        const from = safeComponents(entry.link).slice(options.strip ?? 0);
        const existing = join(await parentOf(from, entry.link), from.at(-1) ?? "");
        const found = await lstat(existing).catch(() => undefined);
        if (found === undefined || !(found.isFile() || found.isSymbolicLink())) {
          throw new ImageError(
            "corrupt",
            `The archive has the hard link ${JSON.stringify(entry.path)} to ${JSON.stringify(entry.link)}, which is no file of the same archive.`,
          );
        }
        if (existing === target) break;
        await clear(target, false);
        await link(existing, target);
        break;
      }
      case "other":
        break; // Devices and fifos: a container gets the devices it may use from the runtime.
    }
  }
  for (const directory of [...directories.values()].reverse()) await setAttributes(directory, options.keepOwners ?? false);
  await makeOpaque([...opaque].map((path) => directories.get(path) ?? { path, mode: 0o755, uid: 0, gid: 0, mtime: 0 }));
}

function attributesOf(entry: TarEntry, path: string): Directory {
  return { path, mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime };
}

async function writeFile(target: string, entry: TarEntry, content: AsyncIterable<Uint8Array>, keepOwners: boolean): Promise<void> {
  const file = await open(target, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600);
  try {
    for await (const part of content) await file.writeFile(part);
    if (keepOwners) await file.chown(entry.uid, entry.gid);
    await file.chmod(keepOwners ? entry.mode : (entry.mode & 0o755) | 0o644);
    await file.utimes(entry.mtime, entry.mtime);
  } finally {
    await file.close();
  }
}

async function setAttributes(directory: Directory, keepOwners: boolean): Promise<void> {
  if (keepOwners) await chown(directory.path, directory.uid, directory.gid);
  await chmod(directory.path, keepOwners ? directory.mode : (directory.mode & 0o755) | 0o755);
  await utimes(directory.path, directory.mtime, directory.mtime);
}
