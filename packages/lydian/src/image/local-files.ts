// Files of this machine on their way into a container.
import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
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
  const info = await look(root, files.remote);
  if (info.isDirectory() !== files.isDirectory) {
    throw new InvalidError(`${root} is ${info.isDirectory() ? "a directory: use addLocalDir" : "no directory: use addLocalFile"}.`);
  }
  if (!files.isDirectory) return [await uploadFile(root, files.remote)];
  const found: UploadFile[] = [];
  for await (const inside of walk(root, files, "", [])) found.push(await uploadFile(join(root, inside), remotePath(files, inside)));
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Files below a directory, relative to the root. `above`: the directories on the way, to see links that lead back. */
async function* walk(root: string, files: LocalFiles, directory: string, above: readonly string[]): AsyncGenerator<string> {
  const real = await realpath(join(root, directory));
  if (above.includes(real))
    throw new InvalidError(`The link ${join(root, directory)} leads back to ${real}: leave it out with \`ignore\`.`);
  for (const name of await readdir(real)) {
    const inside = join(directory, name);
    if (files.ignore?.(inside)) continue;
    const info = await look(join(root, inside), remotePath(files, inside));
    if (info.isDirectory()) yield* walk(root, files, inside, [...above, real]);
    else yield inside;
  }
}

const remotePath = ({ remote }: LocalFiles, inside: string): string => `${remote === "/" ? "" : remote}/${inside.split("\\").join("/")}`;

async function look(path: string, remote: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    throw new InvalidError(`${path}, which the image adds as ${remote}, cannot be read.`, { cause });
  }
}

async function uploadFile(local: string, path: string): Promise<UploadFile> {
  const [data, { mode }] = await Promise.all([readFile(local), stat(local)]);
  return { path, sha256: sha256(data), mode: mode & 0o777, read: () => readFile(local) };
}

export const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
