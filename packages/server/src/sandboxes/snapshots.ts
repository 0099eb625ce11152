// Snapshots: what a sandbox has changed, or one of its directories, as an image. Only the difference is stored.
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { type BuiltImage, type Container, type ContainerHost, DEFAULT_PATH, type LayerStore } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Images } from "../images/images.ts";
import type { Sandbox, StartedContainer } from "./sandbox.ts";
import type { Sidecar } from "./sidecar.ts";
import type { SandboxRecord } from "./store.ts";

export interface SnapshotsOptions {
  readonly host: ContainerHost;
  readonly layers: LayerStore;
  readonly images: Images;
  readonly now: () => number;
  /** Whether a container, or a mount in one, stands on the layer in this directory. */
  readonly isUsed: (layer: string) => boolean;
  readonly onError: (what: string, error: unknown) => void;
}

/** A sandbox, or a further container of one. */
type Snapshotted = Sandbox | Sidecar;

export interface SnapshotRequest {
  /** The client's choice: a request that is sent again gets the same image. */
  readonly snapshotId: string;
  /** Undefined: 30 days. -1: for ever. */
  readonly ttlSeconds: number | undefined;
}

const DEFAULT_TTL_SECONDS = 30 * 86_400;
const MAX_TTL_SECONDS = 10 * 365 * 86_400;
const ID = /^[\w.-]{1,128}$/;
const SWEEP_MS = 3_600_000;
const MAX_PATH_BYTES = 4_096;

export class Snapshots {
  readonly #options: SnapshotsOptions;
  /** Under way, by what they are of. */
  readonly #running = new Map<string, Promise<string>>();

  #timer: NodeJS.Timeout | undefined;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** Deletes those whose time is over, now and every hour. */
  start(): void {
    const sweep = () =>
      this.sweep().catch((error: unknown) => this.#options.onError("snapshots whose time is over could not be deleted", error));
    this.#timer = setInterval(sweep, SWEEP_MS);
    this.#timer.unref();
    void sweep();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async sweep(): Promise<void> {
    const { images, layers, isUsed } = this.#options;
    for (const layer of await images.deleteExpired((each) => isUsed(layers.path(each)))) await layers.remove(layer);
  }

  /** All that differs from its image. Processes are frozen while it is copied. */
  filesystem(sandbox: Snapshotted, request: SnapshotRequest): Promise<string> {
    return this.#make(sandbox, request, undefined, (layer) => this.#wholeImage(sandbox, layer));
  }

  #wholeImage({ resolved, workspaceId, mountedLayers }: Snapshotted, layer: string): BuiltImage {
    const base = this.#options.images.built(resolved.imageId, workspaceId);
    // Local files lie on top of the image, in layers of their own.
    return { layers: [...base.layers, ...mountedLayers.map((path) => basename(path)), layer], config: base.config };
  }

  /** The content of a directory, as the root of an image. */
  async directory(sandbox: Snapshotted, path: string, request: SnapshotRequest): Promise<string> {
    return this.#make(sandbox, request, checkPath(path), (layer) => ({ layers: [layer], config: { env: { PATH: DEFAULT_PATH } } }));
  }

  /** When it ends, while its container is still there. What comes of it is noted in the sandbox. */
  async atExit(sandbox: Sandbox, { container }: StartedContainer): Promise<void> {
    try {
      const imageId = await this.#keep(container, exitKey(sandbox), undefined, this.#expiry(undefined), sandbox, (layer) =>
        this.#wholeImage(sandbox, layer),
      );
      sandbox.exitSnapshot = { imageId };
    } catch (error) {
      sandbox.exitSnapshot = { error: error instanceof Error ? error.message : String(error) };
    }
  }

  /** The image that was made when a sandbox ended, also before the server was restarted. */
  exitImage(record: Pick<SandboxRecord, "taskId" | "workspaceId">): string | undefined {
    return this.#options.images.adopted(record.workspaceId, exitKey(record));
  }

  /** Mounts an image, or an empty directory when there is none, writable, over what is at the path. */
  async mount(sandbox: Snapshotted, path: string, imageId: string): Promise<void> {
    const { host, images, layers } = this.#options;
    if (!host.features.mounts) throw notHere("Mounting into a sandbox that runs");
    const image = imageId === "" ? undefined : images.built(imageId, sandbox.workspaceId);
    await sandbox.agent();
    const { container } = await sandbox.started;
    const directories = (image?.layers ?? []).map((layer) => layers.path(layer)).reverse();
    sandbox.usedLayers.push(...directories);
    await sandbox.keep();
    await container.mount(checkPath(path), directories).catch(refuse(`${JSON.stringify(path)} could not be mounted`));
  }

  async unmount(sandbox: Snapshotted, path: string): Promise<void> {
    await sandbox.agent();
    const { container } = await sandbox.started;
    await container.unmount(checkPath(path)).catch(refuse(`${JSON.stringify(path)} could not be unmounted`));
  }

  async #make(
    sandbox: Snapshotted,
    { snapshotId, ttlSeconds }: SnapshotRequest,
    directory: string | undefined,
    imageOf: (layer: string) => BuiltImage,
  ): Promise<string> {
    const { host, images } = this.#options;
    if (!host.features.snapshots) throw notHere("Snapshots of a sandbox that runs");
    if (!ID.test(snapshotId)) throw invalid(`${JSON.stringify(snapshotId.slice(0, 150))} is not an id of a snapshot.`);
    const expiresAt = this.#expiry(ttlSeconds);
    const key = `snapshot ${sandbox.taskId} ${snapshotId}`;
    const known = images.adopted(sandbox.workspaceId, key);
    if (known !== undefined) return known;
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#run(sandbox, key, directory, imageOf, expiresAt).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  async #run(
    sandbox: Snapshotted,
    key: string,
    directory: string | undefined,
    imageOf: (layer: string) => BuiltImage,
    expiresAt: number,
  ): Promise<string> {
    await sandbox.agent();
    const { container } = await sandbox.started;
    using _use = sandbox.use();
    return this.#keep(container, key, directory, expiresAt, sandbox, imageOf);
  }

  async #keep(
    container: Container,
    key: string,
    directory: string | undefined,
    expiresAt: number,
    { workspaceId }: Snapshotted,
    imageOf: (layer: string) => BuiltImage,
  ): Promise<string> {
    const { host, layers, images } = this.#options;
    if (!host.features.snapshots) throw notHere("Snapshots of a sandbox");
    const layer = createHash("sha256").update(key).digest("hex").slice(0, 32);
    const options = directory === undefined ? {} : { directory };
    await layers
      .make(layer, (target) => host.commit(container, target, options))
      .catch(
        refuse(
          directory === undefined
            ? "The files of the sandbox could not be kept"
            : `The directory ${JSON.stringify(directory)} could not be kept`,
        ),
      );
    return images.adopt({ workspaceId, key, result: imageOf(layer), expiresAt });
  }

  #expiry(ttlSeconds: number | undefined): number {
    if (ttlSeconds === -1) return 0;
    const seconds = ttlSeconds ?? DEFAULT_TTL_SECONDS;
    if (!(seconds > 0 && seconds <= MAX_TTL_SECONDS))
      throw invalid(`A snapshot cannot last for ${seconds} s: from 1 to ${MAX_TTL_SECONDS}, or -1 for ever.`);
    return this.#options.now() + seconds * 1000;
  }
}

const exitKey = ({ taskId }: { readonly taskId: string }): string => `exit of ${taskId}`;

function checkPath(path: string): string {
  if (path.startsWith("/") && !path.includes("\0") && Buffer.byteLength(path) < MAX_PATH_BYTES) return path;
  throw invalid(`The path ${JSON.stringify(path.slice(0, 200))} must begin with "/", and have at most ${MAX_PATH_BYTES} bytes.`);
}

const refuse = (what: string) => (cause: unknown) => {
  if (LydianError.is(cause)) throw cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  throw new LydianError("failed_precondition", `${what}: ${reason}`, { cause });
};

const invalid = (message: string) => new LydianError("invalid_argument", message);

const notHere = (what: string) =>
  new LydianError("unimplemented", `${what} is not possible on this machine.`, { hint: "`lydian doctor` says what is missing." });
