// Files inside a container, as its own processes would see them: paths and links are resolved by the kernel in the container, so
// none leads out of it. Paths are absolute; Linux's paths are bytes, and a string stands for its UTF-8.

import type { RequestOptions } from "./agent.ts";

export type FilePath = string | Uint8Array;

export interface FileEntry {
  /** The last part of the path. */
  readonly name: Buffer;
  readonly type: "file" | "directory" | "symlink" | "other";
  /** All of `st_mode`: type and permissions. */
  readonly mode: number;
  readonly size: number;
  /** Seconds since 1970, with a fraction. */
  readonly modifiedTime: number;
  readonly uid: number;
  readonly gid: number;
  /** From the container's own /etc/passwd and /etc/group; the number where there is no name. */
  readonly owner: string;
  readonly group: string;
  /** The text of a link, as it was made. */
  readonly linkTarget?: Buffer;
}

export interface FileContent extends Disposable {
  /** Size when it was opened; devices and files of /proc have none (0). */
  readonly size: number;
  readonly mode: number;
  /** One reader, whose pace it is. Throws `AgentError` when reading fails midway. */
  readonly data: AsyncIterable<Uint8Array>;
  /** Reads no more. Idempotent; reading to the end does the same. */
  close(): void;
}

export interface ReadOptions extends RequestOptions {
  /** Default 0. */
  readonly offset?: number;
  /** Bytes at most. Default: to the end. */
  readonly length?: number;
  /** A larger file is refused (EFBIG) before anything of it is read. Default: none is. */
  readonly largestBytes?: number;
}

export interface WriteOptions extends RequestOptions {
  /** Permissions of a file that is new. Default 0o644; one that is replaced keeps its own, and its owner. */
  readonly mode?: number;
}

/** As fopen(3) has them: read, write anew, append, make anew; with "+" both reading and writing. */
export type OpenMode = "r" | "r+" | "w" | "w+" | "a" | "a+" | "x" | "x+";

/**
 * An open file with a position. Requests follow each other, also when they are not waited for; one that fails leaves the file open.
 * What is written is in the file when `write` resolves.
 */
export interface OpenFile extends Disposable {
  /** The next bytes, at most `count`, default all that are left. One reader; one that leaves early closes the file. */
  read(count?: number): AsyncIterable<Uint8Array>;
  /** To the end of the next line, with its end. Nothing at the end of the file. */
  readLine(): AsyncIterable<Uint8Array>;
  /** At the position, or at the end with "a". */
  write(data: Uint8Array): Promise<void>;
  /** EINVAL for a position before the start. */
  seek(offset: number, whence: "start" | "current" | "end"): Promise<void>;
  /** Idempotent. */
  close(): void;
}

export interface FileEvent {
  readonly kind: "create" | "modify" | "remove" | "access" | "rename" | "rename-from" | "rename-to" | "unknown";
  /** Two for "rename": from and to. "unknown" means that events were lost. */
  readonly paths: readonly Buffer[];
}

export interface FileWatch extends AsyncIterable<FileEvent>, Disposable {
  /** Watches no more; iteration ends. Idempotent. */
  close(): void;
}

/** Every operation rejects with `AgentError`, whose `code` is the errno. */
export interface AgentFiles {
  /** Resolves when the file is open. EISDIR, ENOENT, EACCES, EFBIG. */
  read(path: FilePath, options?: ReadOptions): Promise<FileContent>;
  /**
   * Makes or replaces a file, with the directories above it. It is complete or unchanged: the data goes to a temporary file beside it,
   * which is renamed at the end, or removed when `data` throws, `signal` aborts or the server vanishes. A link is followed and stays; what
   * cannot be replaced by name (a mount, a device) is written in place. EISDIR, ENOTDIR, EACCES, ENOSPC, EROFS.
   */
  write(path: FilePath, data: Uint8Array | AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<void>;
  /** What is in a directory, sorted by name (bytes). A link given as the path is followed; links in it are listed as links. ENOTDIR for a file. */
  list(path: FilePath, options?: RequestOptions): Promise<readonly FileEntry[]>;
  /** Does not follow a link at the end of the path unless told to. */
  stat(path: FilePath, options?: RequestOptions & { readonly follow?: boolean }): Promise<FileEntry>;
  /** With `parents`, those above are made too and an existing directory is no error. EEXIST, ENOENT, ENOTDIR. Default mode 0o755. */
  makeDirectory(path: FilePath, options?: RequestOptions & { readonly parents?: boolean; readonly mode?: number }): Promise<void>;
  /** Links are removed, not followed. ENOTEMPTY for a directory that has entries, without `recursive`; EBUSY for "/". */
  remove(path: FilePath, options?: RequestOptions & { readonly recursive?: boolean }): Promise<void>;
  /** Replaces a file at `to`. Between file systems it copies and removes. */
  rename(from: FilePath, to: FilePath, options?: RequestOptions): Promise<void>;
  /** Copies a file or, with `recursive`, a tree, into which links are copied as links. EISDIR for a directory without `recursive`. */
  copy(from: FilePath, to: FilePath, options?: RequestOptions & { readonly recursive?: boolean }): Promise<void>;
  /** Opens a file, which stays open until it is closed or the container ends. EISDIR, ENOENT, EEXIST, EACCES. A new one gets mode 0o644. */
  open(path: FilePath, mode: OpenMode, options?: RequestOptions): Promise<OpenFile>;
  /** Resolves when it watches: from then on no event is missed. A directory (its entries; with `recursive`, all below) or one file. */
  watch(path: FilePath, options?: RequestOptions & { readonly recursive?: boolean }): Promise<FileWatch>;
}
