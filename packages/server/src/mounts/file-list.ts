// The files of a mount: where each goes in a container, and by which content. Pure.
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { LydianError } from "@lydian/protocol";
import { isSha256 } from "../blobs/contents.ts";

export interface MountedFile {
  /** Absolute and normalised path in the container. */
  readonly path: string;
  readonly sha256: string;
  /** Permission bits. */
  readonly mode: number;
}

const MAX_MOUNT_FILES = 100_000;
const MAX_PATH_BYTES = 4096;
const MAX_NAME_BYTES = 255;
const DEFAULT_MODE = 0o644;

/** What a client sends for a file. */
export interface AnnouncedFile {
  readonly filename: string;
  readonly sha256Hex: string;
  readonly mode?: number | undefined;
}

/** The files sorted by path. Throws `invalid_argument` that names the file and the rule. */
export function checkFileList(files: readonly AnnouncedFile[]): readonly MountedFile[] {
  if (files.length > MAX_MOUNT_FILES) {
    throw new LydianError("invalid_argument", `The mount has ${files.length} files; at most ${MAX_MOUNT_FILES} are possible.`, {
      hint: "Leave out what the code does not need, or install packages in the image.",
    });
  }
  const checked = files.map(({ filename, sha256Hex, mode }) => {
    checkPath(filename);
    if (!isSha256(sha256Hex)) throw refused(filename, `has "${sha256Hex}" where a SHA-256 in 64 lower-case hexadecimal digits is expected`);
    return { path: filename, sha256: sha256Hex, mode: mode === undefined || (mode & 0o777) === 0 ? DEFAULT_MODE : mode & 0o777 };
  });
  checked.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const directories = new Set<string>();
  for (const [index, file] of checked.entries()) {
    if (file.path === checked[index - 1]?.path) throw refused(file.path, "is there twice");
    for (let parent = posix.dirname(file.path); parent !== "/" && !directories.has(parent); parent = posix.dirname(parent))
      directories.add(parent);
  }
  const both = checked.find((file) => directories.has(file.path));
  if (both !== undefined) throw refused(both.path, "is a file and, for another file, a directory");
  return checked;
}

/** Equal lists have equal checksums, whatever order they came in. */
export function checksumOf(files: readonly MountedFile[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${JSON.stringify(file.path)} ${file.sha256} ${file.mode.toString(8)}\n`);
  return hash.digest("hex");
}

function checkPath(path: string): void {
  if (path.includes("\0")) throw refused(path, "has a zero byte in its path");
  if (!path.startsWith("/")) throw refused(path, "is not an absolute path in the container");
  if (path.split("/").includes("..")) throw refused(path, 'has ".." in its path');
  if (path.endsWith("/") || posix.normalize(path) !== path)
    throw refused(path, `is not normalised; "${posix.normalize(path).replace(/\/$/, "")}" is expected`);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw refused(path, `has a path of more than ${MAX_PATH_BYTES} bytes`);
  if (path.split("/").some((name) => Buffer.byteLength(name) > MAX_NAME_BYTES))
    throw refused(path, `has a name of more than ${MAX_NAME_BYTES} bytes in its path`);
}

function refused(path: string, what: string): LydianError {
  return new LydianError("invalid_argument", `The mounted file ${JSON.stringify(path.slice(0, 300))} ${what}.`);
}
