import { InvalidError, LydianError } from "../../errors.ts";
import { showValue } from "../../show-value.ts";
import { SandboxFilesystemFileTooLargeError, SandboxFilesystemPathAlreadyExistsError } from "../sandbox-errors.ts";

/** Read, write anew, append, make anew; with "+" both reading and writing. */
export type FileMode = "r" | "r+" | "w" | "w+" | "a" | "a+" | "x" | "x+";

/** What it needs of a file system. */
export interface WholeFiles {
  readBytes(path: string): Promise<Uint8Array>;
  writeBytes(path: string, data: Uint8Array): Promise<void>;
  stat(path: string): Promise<{ readonly size: number }>;
  exists(path: string): Promise<boolean>;
}

const MODES: readonly string[] = ["r", "r+", "w", "w+", "a", "a+", "x", "x+"];
const MAX_BYTES = 100 << 20;
const NEWLINE = 10;

/**
 * An open file of a container. It is held here as a whole, of at most 100 MiB, and written back by `flush` and `close`: what others write
 * meanwhile is not seen, and lost. Larger files: `readStream` and `writeStream`.
 *
 * @example
 * await using file = await sandbox.filesystem.open("/work/log.txt", "a");
 * await file.write("one more line\n");
 */
export class FileIO implements AsyncDisposable {
  readonly path: string;
  readonly mode: FileMode;
  readonly #files: WholeFiles;
  #data: Uint8Array;
  #size: number;
  #position = 0;
  #isChanged: boolean;
  #isClosed = false;

  private constructor(files: WholeFiles, path: string, mode: FileMode, data: Uint8Array, isChanged: boolean) {
    this.#files = files;
    this.path = path;
    this.mode = mode;
    this.#data = data;
    this.#size = data.length;
    this.#isChanged = isChanged;
  }

  /** Modes as those of fopen(3): "r" needs the file, "w" empties it, "a" writes at its end, "x" needs it not to be. */
  static async open(files: WholeFiles, path: string, mode: FileMode): Promise<FileIO> {
    if (!MODES.includes(mode)) throw new InvalidError(`The mode is ${showValue(mode)}; it must be one of ${MODES.join(", ")}.`);
    const kind = mode[0];
    if (kind === "x" && (await files.exists(path))) throw new SandboxFilesystemPathAlreadyExistsError(`The file exists: ${path}`);
    const isRead = kind === "r" || (kind === "a" && (await files.exists(path)));
    const data = isRead ? await readWhole(files, path) : new Uint8Array();
    const file = new FileIO(files, path, mode, data, !isRead);
    // Made now: whoever opens it for writing expects it to be there.
    if (!isRead) await file.flush();
    return file;
  }

  /** The next bytes, at most `count`; fewer at the end. Default: all that are left. */
  async read(count = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    this.#check("read");
    if (!(typeof count === "number" && count >= 0))
      throw new InvalidError(`The count is ${showValue(count)}; it must be a number of bytes that is not negative.`);
    const end = Math.min(this.#size, this.#position + count);
    const found = this.#data.slice(Math.min(this.#position, this.#size), end);
    this.#position += found.length;
    return found;
  }

  /** As `read`, as text. */
  async readText(count?: number): Promise<string> {
    return new TextDecoder().decode(await this.read(count));
  }

  /** The next line without its end; undefined at the end of the file. */
  async readLine(): Promise<string | undefined> {
    this.#check("read");
    if (this.#position >= this.#size) return undefined;
    const at = this.#data.subarray(0, this.#size).indexOf(NEWLINE, this.#position);
    const line = this.#data.subarray(this.#position, at === -1 ? this.#size : at);
    this.#position = at === -1 ? this.#size : at + 1;
    return new TextDecoder().decode(line);
  }

  /** All lines that are left. */
  async readLines(): Promise<string[]> {
    const lines: string[] = [];
    for (let line = await this.readLine(); line !== undefined; line = await this.readLine()) lines.push(line);
    return lines;
  }

  /** At the position, over what is there; with "a" at the end. */
  async write(data: string | Uint8Array): Promise<void> {
    this.#check("write");
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (!(bytes instanceof Uint8Array)) throw new InvalidError(`What is written must be a string or a Uint8Array, not ${typeof data}.`);
    if (bytes.length === 0) return;
    if (this.mode.startsWith("a")) this.#position = this.#size;
    const end = this.#position + bytes.length;
    if (end > MAX_BYTES) throw tooLarge(this.path, end);
    this.#grow(end);
    this.#data.set(bytes, this.#position);
    this.#position = end;
    this.#size = Math.max(this.#size, end);
    this.#isChanged = true;
  }

  /** Where the next byte is read or written. */
  async seek(offset: number, whence: "start" | "current" | "end" = "start"): Promise<void> {
    this.#check();
    if (!["start", "current", "end"].includes(whence))
      throw new InvalidError(`\`whence\` is ${showValue(whence)}; it must be "start", "current" or "end".`);
    const position = offset + { start: 0, current: this.#position, end: this.#size }[whence];
    if (!Number.isInteger(position) || position < 0)
      throw new InvalidError(`The position would be ${position}; it must be a whole number that is not negative.`);
    this.#position = position;
  }

  /** Where the next byte is read or written, from the start. */
  get position(): number {
    return this.#position;
  }

  /** Writes back what has changed. */
  async flush(): Promise<void> {
    this.#check();
    if (!this.#isChanged) return;
    this.#isChanged = false;
    try {
      await this.#files.writeBytes(this.path, this.#data.subarray(0, this.#size));
    } catch (error) {
      this.#isChanged = true;
      throw error;
    }
  }

  /** Writes back what has changed. A second close does nothing. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.flush();
    this.#isClosed = true;
    this.#data = new Uint8Array();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #grow(size: number): void {
    if (size <= this.#data.length) return;
    const larger = new Uint8Array(Math.min(MAX_BYTES, Math.max(size, this.#data.length * 2)));
    larger.set(this.#data.subarray(0, this.#size));
    this.#data = larger;
  }

  #check(what?: "read" | "write"): void {
    if (this.#isClosed) throw new LydianError("failed_precondition", `The file ${this.path} is closed.`);
    const allows = what === undefined || this.mode.endsWith("+") || (what === "read") === this.mode.startsWith("r");
    if (!allows)
      throw new InvalidError(`The file ${this.path} was opened with ${JSON.stringify(this.mode)}, which does not allow to ${what}.`);
  }
}

/** Looked at first, so that what is too large is not sent. */
async function readWhole(files: WholeFiles, path: string): Promise<Uint8Array> {
  const { size } = await files.stat(path);
  if (size > MAX_BYTES) throw tooLarge(path, size);
  const data = await files.readBytes(path);
  if (data.length > MAX_BYTES) throw tooLarge(path, data.length);
  return data;
}

const tooLarge = (path: string, size: number) =>
  new SandboxFilesystemFileTooLargeError(`An open file holds at most ${MAX_BYTES >> 20} MiB, and ${path} would have ${size} bytes.`, {
    hint: "Use `readStream` and `writeStream`.",
  });
