// Files of this machine on their way into a container.
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { InvalidError } from "../errors.ts";
import type { LocalFiles } from "./image.ts";

export interface UploadFile {
  /** Absolute path in the container. */
  readonly path: string;
  readonly sha256: string;
  /** Permission bits. */
  readonly mode: number;
  readonly read: () => Promise<Uint8Array>;
}

/** Throws InvalidError when something is not there. Links are followed. */
export async function readLocalFiles(files: LocalFiles): Promise<UploadFile[]> {
  const root = resolve(files.local);
  const info = await stat(root).catch((cause: unknown) => {
    throw new InvalidError(`${root}, which the image adds as ${files.remote}, cannot be read.`, { cause });
  });
  if (info.isDirectory() !== files.isDirectory) {
    throw new InvalidError(`${root} is ${info.isDirectory() ? "a directory: use addLocalDir" : "no directory: use addLocalFile"}.`);
  }
  if (!files.isDirectory) return [await uploadFile(root, files.remote)];
  const found: UploadFile[] = [];
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const inside = relative(root, path);
    if (files.ignore?.(inside) || (await stat(path)).isDirectory()) continue;
    found.push(await uploadFile(path, `${files.remote === "/" ? "" : files.remote}/${inside.split("\\").join("/")}`));
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function uploadFile(local: string, path: string): Promise<UploadFile> {
  const [data, { mode }] = await Promise.all([readFile(local), stat(local)]);
  return { path, sha256: sha256(data), mode: mode & 0o777, read: () => readFile(local) };
}

export const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
