// Writes into a new layer as if into the image: links of directories below are followed, and a directory that the
// image has keeps its owner and mode.
import { chmod, chown, lstat, mkdir, rm } from "node:fs/promises";
import { join, posix } from "node:path";
import type { RootfsView } from "./rootfs-view.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface LayerWriterOptions {
  /** The image below, whose links and directories are respected. */
  readonly view: RootfsView;
  /** Owner of new directories. Default root. */
  readonly owner?: Owner;
  /** Modes of directories that are not in `view`. Default 0755. */
  readonly modes?: ReadonlyMap<string, number>;
}

export class LayerWriter {
  readonly #root: string;
  readonly #options: LayerWriterOptions;
  readonly #made = new Set<string>(["/"]);
  readonly #ownsFiles = process.getuid?.() === 0;

  private constructor(root: string, options: LayerWriterOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** `root` is created. */
  static async create(root: string, options: LayerWriterOptions): Promise<LayerWriter> {
    await mkdir(root);
    await chmod(root, 0o755);
    return new LayerWriter(root, options);
  }

  /** Where on this machine the image's `path` is written; free, and with all of its parents. */
  async place(path: string): Promise<string> {
    const directory = await this.#options.view.resolveDirectory(posix.dirname(path));
    await this.#makeDirectory(directory, undefined);
    const place = posix.join(directory, posix.basename(path));
    const target = join(this.#root, place);
    // Two names can mean one place once links are followed; the last one wins, as with files that are written in turn.
    if (await lstat(target).catch(() => undefined)) await rm(target, { recursive: true });
    // What takes the place of a directory may be a link that leads out of the layer: nothing is written through it.
    for (const made of this.#made) if (made === place || made.startsWith(`${place}/`)) this.#made.delete(made);
    return target;
  }

  /** Makes the directory that the image's `path` means. Mode and owner count for a new one. */
  async directory(path: string, of: Owner & { readonly mode: number }): Promise<void> {
    await this.#makeDirectory(await this.#options.view.resolveDirectory(path), of);
  }

  async own(target: string, owner: Owner): Promise<void> {
    if (this.#ownsFiles) await chown(target, owner.uid, owner.gid);
  }

  async #makeDirectory(path: string, of: (Owner & { readonly mode: number }) | undefined): Promise<void> {
    if (this.#made.has(path)) return;
    await this.#makeDirectory(posix.dirname(path), undefined);
    this.#made.add(path);
    const { view, modes, owner = of ?? { uid: 0, gid: 0 } } = this.#options;
    const below = await view.entry(path);
    const kept = below?.stats.isDirectory() ? below.stats : undefined;
    const target = join(this.#root, path);
    await mkdir(target).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
      await rm(target); // A file or a link that came before.
      await mkdir(target);
    });
    await chmod(target, kept === undefined ? (modes?.get(path) ?? of?.mode ?? 0o755) : kept.mode & 0o7777);
    await this.own(target, { uid: kept?.uid ?? owner.uid, gid: kept?.gid ?? owner.gid });
  }
}
