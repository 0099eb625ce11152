// What a sandbox and each of its sidecars can be asked for.
import { randomUUID } from "node:crypto";
import { type Duration, durationMs } from "../duration.ts";
import { InvalidError, LydianError } from "../errors.ts";
import { Image } from "../image/image.ts";
import { showValue } from "../show-value.ts";
import { Filesystem } from "./filesystem/filesystem.ts";
import { ContainerProcess, type ExecOptions, type ExecPlace } from "./process.ts";
import { SandboxTimeoutError } from "./sandbox-errors.ts";

export interface SnapshotOptions {
  /** How long to wait for it. Default "55s". */
  readonly timeout?: Duration;
  /** How long the image is kept; null: for ever. Default "30d". */
  readonly ttl?: Duration | null;
}

const DEFAULT_TIMEOUT = "55s";
const FOR_EVER = -1n;

export abstract class RunningContainer {
  /** Its files. */
  readonly filesystem: Filesystem;
  /** For commands: where its processes are. */
  readonly execPlace: ExecPlace;

  constructor(place: ExecPlace) {
    this.execPlace = place;
    this.filesystem = new Filesystem(place);
  }

  exec(command: string | readonly string[], options: ExecOptions & { readonly encoding: "bytes" }): ContainerProcess<Uint8Array>;
  /**
   * Starts a process: a program with its arguments, or a line for the container's shell. Awaiting what it returns gives output and exit
   * code; its streams can be used at once. Never throws for what the program does, unless `check` is given.
   *
   * @example
   * const { exitCode, stdout } = await sandbox.exec(["python3", "-c", "print(6 * 7)"], { timeout: "10s" });
   */
  exec(command: string | readonly string[], options?: ExecOptions & { readonly encoding?: "text" }): ContainerProcess<string>;
  exec(command: string | readonly string[], options: ExecOptions & { readonly encoding?: "text" | "bytes" } = {}): ContainerProcess<never> {
    return new ContainerProcess<never>(this.execPlace, command, options);
  }

  /** An image of all its files as they are now. What is mounted is not part of it. */
  async snapshotFilesystem({ timeout = DEFAULT_TIMEOUT, ttl }: SnapshotOptions = {}): Promise<Image> {
    const { router, containerId } = this.execPlace;
    const snapshotId = randomUUID();
    const { imageId } = await this.#within(timeout, "A snapshot", (call) =>
      router.call(
        (stub, taskId, options) => stub.taskSnapshotFilesystem({ taskId, snapshotId, containerId, ...ttlOf(ttl) }, options),
        call,
      ),
    );
    return this.#image(imageId);
  }

  /** An image whose root is this directory as it is now, for `mountImage` or as the `image` of a sandbox. */
  async snapshotDirectory(path: string, { timeout = DEFAULT_TIMEOUT, ttl }: SnapshotOptions = {}): Promise<Image> {
    const { router, containerId } = this.execPlace;
    const request = { path: pathBytes(path), snapshotId: randomUUID(), containerId, ...ttlOf(ttl) };
    const { imageId } = await this.#within(timeout, "A snapshot", (call) =>
      router.call((stub, taskId, options) => stub.taskSnapshotDirectory({ taskId, ...request }, options), call),
    );
    return this.#image(imageId);
  }

  /** Puts an image's files at a path, writable; what is there is hidden. Without an image: an empty directory. */
  async mountImage(path: string, image?: Image): Promise<void> {
    const { router, containerId } = this.execPlace;
    if (image !== undefined && !Image.is(image))
      throw new InvalidError(
        `The image is ${showValue(image)}; it must be an Image, e.g. one of \`snapshotDirectory\`, or Image.fromId("im-…").`,
      );
    const imageId = image === undefined ? "" : await this.imageId(image);
    await router.call((stub, taskId, options) => stub.taskMountDirectory({ taskId, path: pathBytes(path), imageId, containerId }, options));
  }

  /** Takes away what `mountImage` put there. */
  async unmountImage(path: string): Promise<void> {
    const { router, containerId } = this.execPlace;
    await router.call((stub, taskId, options) => stub.taskUnmountDirectory({ taskId, path: pathBytes(path), containerId }, options));
  }

  /** Makes what it has written to its volumes visible to others, and others' writes to it. */
  async reloadVolumes({ timeout = DEFAULT_TIMEOUT }: { readonly timeout?: Duration } = {}): Promise<void> {
    const { router, containerId } = this.execPlace;
    await this.#within(timeout, "Reloading volumes", (call) =>
      router.call((stub, taskId, options) => stub.taskReloadVolumes({ taskId, containerId }, options), call),
    );
  }

  /** The id of an image, built when it is not. */
  protected abstract imageId(image: Image): Promise<string>;

  async #within<T>(timeout: Duration, what: string, call: (options: { timeoutMs: number }) => Promise<T>): Promise<T> {
    const timeoutMs = durationMs(timeout, "`timeout`");
    try {
      return await call({ timeoutMs });
    } catch (error) {
      if (!LydianError.is(error) || error.code !== "deadline_exceeded") throw error;
      throw new SandboxTimeoutError(`${what} of the ${this.execPlace.what} took longer than ${timeoutMs / 1000} s.`, {
        cause: error,
        hint: "Give it more time with `timeout`.",
      });
    }
  }

  #image(imageId: string): Image {
    if (imageId === "") throw new LydianError("internal", `The server made no image of the ${this.execPlace.what}.`);
    return Image.fromId(imageId);
  }
}

function ttlOf(ttl: Duration | null | undefined): { ttlSeconds?: bigint } {
  if (ttl === undefined) return {};
  if (ttl === null) return { ttlSeconds: FOR_EVER };
  const seconds = Math.ceil(durationMs(ttl, "`ttl`") / 1000);
  if (seconds < 1) throw new InvalidError(`\`ttl\` is ${showValue(ttl)}; it must be at least 1 s, or null for ever.`);
  return { ttlSeconds: BigInt(seconds) };
}

function pathBytes(path: unknown): Uint8Array {
  if (typeof path === "string" && path.startsWith("/") && !path.includes("\0")) return new TextEncoder().encode(path);
  throw new InvalidError(`The path is ${showValue(path)}; it must be an absolute path in the container.`);
}
