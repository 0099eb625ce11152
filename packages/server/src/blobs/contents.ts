// Bytes by their SHA-256, as files: what mounts, blobs and build contexts are made of. A file under its final name is
// complete and on disk; it is never changed, so that other directories may hold hard links to it.
import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, chmod, copyFile, type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";

export interface StoredContent {
  readonly sha256: string;
  readonly size: number;
  /** Hexadecimal. */
  readonly md5: string;
}

export interface PutOptions {
  /** Refuse other bytes. */
  readonly sha256?: string;
  /** Refuse more or fewer bytes. */
  readonly size?: number;
}

const SHA256 = /^[0-9a-f]{64}$/;

/** Whether `text` is a SHA-256 in lower-case hexadecimal. */
export function isSha256(text: string): boolean {
  return SHA256.test(text);
}

export class Contents {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Opens a store and removes unfinished files. One process at a time may use a directory. */
  static async open(dir: string): Promise<Contents> {
    await rm(join(dir, ".tmp"), { recursive: true, force: true });
    await mkdir(join(dir, ".tmp"), { recursive: true, mode: 0o700 });
    return new Contents(dir);
  }

  /** The file with these bytes, mode 0444, whether it exists or not. Never write to it. */
  path(sha256: string): string {
    if (!isSha256(sha256))
      throw new LydianError("invalid_argument", `"${sha256}" is not a SHA-256: 64 lower-case hexadecimal digits are expected.`);
    return join(this.#dir, sha256.slice(0, 2), sha256);
  }

  async has(sha256: string): Promise<boolean> {
    return exists(this.path(sha256));
  }

  /**
   * A file with these bytes that may be executed (mode 0555). Permissions belong to a file, not to its names, so it is
   * a second file, made when first asked for.
   */
  async executable(sha256: string): Promise<string> {
    const path = `${this.path(sha256)}.x`;
    if (await exists(path)) return path;
    const temporary = this.#temporary();
    try {
      await copyFile(this.path(sha256), temporary, constants.COPYFILE_FICLONE);
      await chmod(temporary, 0o555);
      await syncAndClose(await open(temporary, "r"));
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
    return path;
  }

  /** Stores bytes durably. Throws `invalid_argument` when they are not the announced ones; nothing is kept then. */
  async put(source: AsyncIterable<Uint8Array> | Uint8Array, options: PutOptions = {}): Promise<StoredContent> {
    const temporary = this.#temporary();
    const sha256 = createHash("sha256");
    const md5 = createHash("md5");
    let size = 0;
    let file: FileHandle | undefined;
    try {
      file = await open(temporary, "wx", 0o600);
      for await (const chunk of source instanceof Uint8Array ? [source] : source) {
        size += chunk.length;
        if (options.size !== undefined && size > options.size)
          throw new LydianError("invalid_argument", `More than the announced ${options.size} bytes arrived.`);
        sha256.update(chunk);
        md5.update(chunk);
        await file.writeFile(chunk);
      }
      const stored: StoredContent = { sha256: sha256.digest("hex"), size, md5: md5.digest("hex") };
      if (options.size !== undefined && size !== options.size)
        throw new LydianError("invalid_argument", `${size} bytes arrived where ${options.size} were announced.`);
      if (options.sha256 !== undefined && stored.sha256 !== options.sha256) {
        throw new LydianError("invalid_argument", `The bytes have the SHA-256 ${stored.sha256}, not the announced ${options.sha256}.`, {
          hint: "Was the file changed while it was sent? Send it again.",
        });
      }
      const path = this.path(stored.sha256);
      if (await exists(path)) return stored;
      await file.chmod(0o444);
      await file.sync();
      await mkdir(join(this.#dir, stored.sha256.slice(0, 2)), { recursive: true, mode: 0o700 });
      await rename(temporary, path);
      await syncAndClose(await open(join(this.#dir, stored.sha256.slice(0, 2)), "r"));
      return stored;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") {
        throw new LydianError("resource_exhausted", `The server's disk is full (${this.#dir}).`, {
          cause: error,
          hint: "Free some space on the server and send it again.",
        });
      }
      throw error;
    } finally {
      await file?.close();
      await rm(temporary, { force: true });
    }
  }

  #temporary(): string {
    return join(this.#dir, ".tmp", randomBytes(12).toString("hex"));
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function syncAndClose(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
