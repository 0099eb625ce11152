// Local files that reach containers: a list of paths and contents, either as a layer or linked into a directory.
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, link, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { filesLayer, type LayerStore } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Blobs } from "../blobs/blobs.ts";
import type { Contents } from "../blobs/contents.ts";
import type { BlobStore } from "../blobs/store.ts";
import { isId, newId } from "../ids.ts";
import { type AnnouncedFile, checkFileList, checksumOf, type MountedFile } from "./file-list.ts";
import type { MountRecord, MountStore } from "./store.ts";

export interface MountsDependencies {
  readonly store: MountStore;
  readonly contents: Contents;
  /** Which workspace has which content. */
  readonly rights: BlobStore;
  readonly blobs: Blobs;
  readonly layers: LayerStore;
  readonly now?: () => number;
}

/** Mounts kept in memory: each start of a container reads its own. */
const CACHED_MOUNTS = 200;
const PARALLEL_LINKS = 32;

export class Mounts {
  readonly #dependencies: MountsDependencies;
  readonly #now: () => number;
  readonly #cache = new Map<string, MountRecord>();

  constructor(dependencies: MountsDependencies) {
    this.#dependencies = dependencies;
    this.#now = dependencies.now ?? Date.now;
  }

  /** Which of the contents a workspace still has to send. */
  missing(workspaceId: string, hashes: readonly string[]): readonly string[] {
    return [...new Set(hashes)].filter((hash) => this.#dependencies.rights.sizeFor(workspaceId, hash) === undefined);
  }

  /** Takes a file's bytes, inline or from an uploaded blob. Throws `invalid_argument` when they have another hash. */
  async putFile(workspaceId: string, sha256: string, source: { data: Uint8Array } | { blobId: string }): Promise<void> {
    const { contents, rights, blobs } = this.#dependencies;
    if ("data" in source) {
      await rights.grant(workspaceId, await contents.put(source.data, { sha256 }), this.#now());
      return;
    }
    const content = blobs.content(source.blobId, workspaceId);
    if (content.sha256 !== sha256)
      throw new LydianError(
        "invalid_argument",
        `The blob ${source.blobId} has the SHA-256 ${content.sha256}, not the announced ${sha256}.`,
        { hint: "Was the file changed while it was sent? Send it again." },
      );
  }

  /** The mount with these files. All contents must have been sent: throws `failed_precondition` that names the first that was not. */
  async getOrCreate(workspaceId: string, announced: readonly AnnouncedFile[]): Promise<{ readonly id: string; readonly checksum: string }> {
    const { store, rights } = this.#dependencies;
    const files = checkFileList(announced);
    const checksum = checksumOf(files);
    const known = store.find(workspaceId, checksum);
    if (known !== undefined) return { id: known, checksum };
    const absent = files.find((file) => rights.sizeFor(workspaceId, file.sha256) === undefined);
    if (absent !== undefined)
      throw new LydianError("failed_precondition", `The content of "${absent.path}" (SHA-256 ${absent.sha256}) has not been sent.`, {
        hint: "Send it with MountPutFile first.",
      });
    const id = await store.insert({ id: newId("mo", this.#now()), workspaceId, checksum, files }, this.#now());
    return { id, checksum };
  }

  /** The mount that stands for the package of an official client's version. Its files are made when a container needs them. */
  ofClient(workspaceId: string, clientVersion: string): Promise<{ readonly id: string; readonly checksum: string }> {
    return this.#standing(workspaceId, `client ${clientVersion}`, { clientVersion });
  }

  /** The mount that stands for a build of Python. Images copy from it; the files are made when the first one does. */
  ofPython(workspaceId: string, pythonImage: string): Promise<{ readonly id: string; readonly checksum: string }> {
    return this.#standing(workspaceId, `python ${pythonImage}`, { pythonImage });
  }

  async #standing(workspaceId: string, text: string, what: Pick<MountRecord, "clientVersion" | "pythonImage">) {
    const { store } = this.#dependencies;
    const checksum = createHash("sha256").update(text).digest("hex");
    const known = store.find(workspaceId, checksum);
    const record = { id: newId("mo", this.#now()), workspaceId, checksum, files: [], ...what };
    return { id: known ?? (await store.insert(record, this.#now())), checksum };
  }

  /** The version of the client whose package the mount stands for; undefined for a mount of files. */
  clientVersion(mountId: string): string | undefined {
    return this.#known(mountId).clientVersion;
  }

  /** Throws `not_found` unless the mount exists and is the workspace's. */
  require(mountId: string, workspaceId: string): MountRecord {
    const mount = this.#get(mountId);
    if (mount === undefined || mount.workspaceId !== workspaceId) throw new LydianError("not_found", `There is no mount "${mountId}".`);
    return mount;
  }

  /** The image with the files of a mount that stands for a build of Python; undefined for others. */
  pythonImage(mountId: string): string | undefined {
    return this.#known(mountId).pythonImage;
  }

  /** The files of a mount, sorted by path. Throws `failed_precondition` for a build of Python, which has no list. */
  files(mountId: string): readonly MountedFile[] {
    const { files, pythonImage } = this.#known(mountId);
    if (pythonImage !== undefined) {
      throw new LydianError("failed_precondition", `The mount ${mountId} is a build of Python, which only images can copy from.`, {
        hint: "Use add_python of the image.",
      });
    }
    return files;
  }

  /** The directory of a layer with the mount's files at their absolute paths. */
  async layer(mountId: string): Promise<string> {
    const { contents, layers } = this.#dependencies;
    const files = this.files(mountId).map((file) => ({ ...file, content: { file: contents.path(file.sha256) } }));
    return layers.path(await filesLayer(files, layers));
  }

  /**
   * Gives `dir` the mount's files that lie under `prefix`, without copying a byte where the filesystem allows it.
   * They are read-only and, when their mode says so, executable. `prefix` ends with "/".
   */
  async linkInto(mountId: string, prefix: string, dir: string): Promise<void> {
    const files = this.files(mountId).filter((file) => file.path.startsWith(prefix));
    const targets = files.map((file) => ({ file, target: join(dir, file.path.slice(prefix.length)) }));
    for (const directory of new Set(targets.map(({ target }) => dirname(target)))) await mkdir(directory, { recursive: true, mode: 0o755 });
    const waiting = targets.values();
    const worker = async (): Promise<void> => {
      for (const { file, target } of waiting) await this.#place(file, target);
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL_LINKS, targets.length) }, worker));
  }

  async #place(file: MountedFile, target: string): Promise<void> {
    const { contents } = this.#dependencies;
    const source = file.mode & 0o111 ? await contents.executable(file.sha256) : contents.path(file.sha256);
    await link(source, target).catch(async (error: NodeJS.ErrnoException) => {
      // Another filesystem, or more names than a file can have.
      if (error.code !== "EXDEV" && error.code !== "EMLINK" && error.code !== "EPERM") throw error;
      await copyFile(source, target, constants.COPYFILE_FICLONE);
    });
  }

  #known(mountId: string): MountRecord {
    const mount = this.#get(mountId);
    if (mount === undefined) throw new LydianError("not_found", `There is no mount "${mountId}".`);
    return mount;
  }

  #get(mountId: string): MountRecord | undefined {
    const cached = this.#cache.get(mountId);
    if (cached !== undefined) return cached;
    const mount = isId("mo", mountId) ? this.#dependencies.store.get(mountId) : undefined;
    if (mount !== undefined) this.#cache.set(mountId, mount);
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > CACHED_MOUNTS && oldest !== undefined) this.#cache.delete(oldest);
    return mount;
  }
}
