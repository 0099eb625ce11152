import { LydianError } from "../../errors.ts";

export interface FileInfo {
  readonly name: string;
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "other";
  /** In bytes. */
  readonly size: number;
  /** Type and permission bits, as of stat(2). */
  readonly mode: number;
  /** Four octal digits, e.g. "0644". */
  readonly permissions: string;
  readonly owner: string;
  readonly group: string;
  readonly modifiedAt: Date;
  /** What a symbolic link says; undefined for others. */
  readonly symlinkTarget: string | undefined;
}

const TYPES: readonly string[] = ["file", "directory", "symlink"];

/** An entry of the file tool. */
export function fileInfo(entry: unknown): FileInfo {
  if (typeof entry !== "object" || entry === null)
    throw new LydianError("internal", "The file tool told of a file in a form that is not known.");
  const { name, path, type, size, mode, permissions, owner, group, modified_time, symlink_target } = entry as Record<string, unknown>;
  return {
    name: String(name),
    path: String(path),
    type: TYPES.includes(String(type)) ? (type as FileInfo["type"]) : "other",
    size: Number(size),
    mode: Number(mode),
    permissions: String(permissions),
    owner: String(owner),
    group: String(group),
    modifiedAt: new Date(Number(modified_time) * 1000),
    symlinkTarget: typeof symlink_target === "string" ? symlink_target : undefined,
  };
}
