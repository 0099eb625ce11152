import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { InvalidError, LydianError } from "../../errors.ts";
import { showValue } from "../../show-value.ts";
import type { ExecPlace } from "../process.ts";
import { SandboxFilesystemError, SandboxFilesystemFileTooLargeError } from "../sandbox-errors.ts";
import { type FileInfo, fileInfo } from "./file-info.ts";
import { FileIO, type FileMode } from "./file-io.ts";
import { endTool, type FileCommand, runTool, startTool } from "./file-tool.ts";
import { type FileWatchEvent, type WatchOptions, watchFiles } from "./watch.ts";

/** Of local files: each piece is a request. */
const PIECE_BYTES = 1 << 20;

/** Data that is written: at once, or as it comes. */
export type FileData = string | Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array | string>;

/**
 * The files of a container. Paths are absolute. What fails throws a SandboxFilesystemError, of a class that says how.
 *
 * @example
 * await sandbox.filesystem.writeText("/work/main.py", "print(6 * 7)");
 */
export class Filesystem {
  readonly #place: ExecPlace;

  constructor(place: ExecPlace) {
    this.#place = place;
  }

  /** A file that is UTF-8, of at most 256 MiB. */
  async readText(path: string): Promise<string> {
    return new TextDecoder().decode(await this.readBytes(path));
  }

  /** As a whole; at most 256 MiB. */
  async readBytes(path: string): Promise<Uint8Array> {
    try {
      return await runTool(this.#place, { name: "ReadFile", path });
    } catch (cause) {
      if (!LydianError.is(cause) || cause.code !== "resource_exhausted" || cause instanceof SandboxFilesystemError) throw cause;
      throw new SandboxFilesystemFileTooLargeError(`${path} could not be read: ${cause.message}`, {
        cause,
        hint: "`readStream` reads a file in chunks.",
      });
    }
  }

  /** In chunks, for files that need not be in memory as a whole. */
  async *readStream(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    const command: FileCommand = { name: "ReadFile", path };
    const process = startTool(this.#place, command);
    yield* process.stdout;
    await endTool(process, command);
  }

  /** Makes the file, or replaces what is in it. Directories on the way are made. */
  async writeText(path: string, text: string): Promise<void> {
    if (typeof text !== "string") throw new InvalidError(`The text for ${path} is ${showValue(text)}; it must be a string.`);
    await this.#write(path, text);
  }

  /** As writeText. */
  async writeBytes(path: string, data: Uint8Array): Promise<void> {
    if (!(data instanceof Uint8Array)) throw new InvalidError(`What is written to ${path} must be a Uint8Array, not ${typeof data}.`);
    await this.#write(path, data);
  }

  /** As writeText, from a source that need not be in memory as a whole. When the source fails, the file stays as it was. */
  async writeStream(path: string, data: FileData): Promise<void> {
    const isSource =
      typeof data === "string" ||
      (typeof data === "object" && data !== null && (data instanceof Blob || data instanceof Uint8Array || Symbol.asyncIterator in data));
    if (!isSource)
      throw new InvalidError(`What is written to ${path} must be a string, a Uint8Array, a Blob, a ReadableStream or an async iterable.`);
    await this.#write(path, data);
  }

  /** What is in a directory, by name. Symbolic links in it are told as such. */
  async list(path: string): Promise<FileInfo[]> {
    const entries = JSON.parse(new TextDecoder().decode(await runTool(this.#place, { name: "ListFiles", path }))) as unknown[];
    return entries.map(fileInfo);
  }

  /** Of a symbolic link: the link itself. */
  async stat(path: string): Promise<FileInfo> {
    return fileInfo(JSON.parse(new TextDecoder().decode(await runTool(this.#place, { name: "Stat", path }))));
  }

  /** Whether something is there; a symbolic link is something. */
  async exists(path: string): Promise<boolean> {
    try {
      await this.stat(path);
      return true;
    } catch (error) {
      if (LydianError.is(error) && error.name === "SandboxFilesystemNotFoundError") return false;
      throw error;
    }
  }

  /** `parents`: also makes those that are missing, and is content with a directory that is there. Default true. */
  async mkdir(path: string, { parents = true }: { readonly parents?: boolean } = {}): Promise<void> {
    await runTool(this.#place, { name: "MakeDirectory", path, arguments: { parents } });
  }

  /** `recursive`: a directory with all that is in it. Default false. A symbolic link is removed, not what it leads to. */
  async remove(path: string, { recursive = false }: { readonly recursive?: boolean } = {}): Promise<void> {
    await runTool(this.#place, { name: "Remove", path, arguments: { recursive } });
  }

  /** A file of this machine into the container. */
  async copyFromLocal(local: string, remote: string): Promise<void> {
    const found = await stat(local).catch((cause: unknown) => {
      throw new InvalidError(`${local} cannot be read: ${(cause as Error).message}`, { cause });
    });
    if (!found.isFile()) throw new InvalidError(`${local} is no file, and only files can be copied.`);
    await this.#write(remote, createReadStream(local, { highWaterMark: PIECE_BYTES }));
  }

  /** A file of the container onto this machine. The local file appears when all of it has arrived. */
  async copyToLocal(remote: string, local: string): Promise<void> {
    const draft = `${local}.${process.pid}.part`;
    try {
      await pipeline(this.readStream(remote), createWriteStream(draft));
      await rename(draft, local);
    } catch (cause) {
      if (LydianError.is(cause)) throw cause;
      throw new InvalidError(`${local} cannot be written: ${(cause as Error).message}`, { cause });
    } finally {
      await rm(draft, { force: true });
    }
  }

  /**
   * What changes in a directory, or a file, from now on.
   *
   * @example
   * for await (const { type, paths } of sandbox.filesystem.watch("/work", { recursive: true })) console.log(type, paths);
   */
  watch(path: string, options: WatchOptions = {}): AsyncIterable<FileWatchEvent> {
    return watchFiles(this.#place, path, options);
  }

  /** A file to read, write and seek in, like one of this machine: `await using file = await sandbox.filesystem.open("/a", "a+")`. */
  open(path: string, mode: FileMode = "r"): Promise<FileIO> {
    return FileIO.open(this, path, mode);
  }

  async #write(path: string, data: FileData): Promise<void> {
    const command: FileCommand = { name: "WriteFile", path };
    const process = startTool(this.#place, command);
    try {
      if (typeof data === "string" || data instanceof Uint8Array) {
        await process.stdin.end(data);
      } else {
        for await (const chunk of chunksOf(data)) await process.stdin.write(chunk);
        await process.stdin.end();
      }
    } catch (error) {
      // A tool that has ended tells why it did. Anything else is a failure on this side: without its end the file stays as it was.
      const isTold = LydianError.is(error) && (error.code === "failed_precondition" || error.code === "aborted");
      if (isTold) await endTool(process, command);
      else await process.kill("SIGKILL").catch(() => undefined);
      throw error;
    }
    await endTool(process, command);
  }
}

async function* chunksOf(data: Exclude<FileData, string | Uint8Array>): AsyncGenerator<Uint8Array | string, void, undefined> {
  yield* (data instanceof Blob ? data.stream() : data) as AsyncIterable<Uint8Array | string>;
}
