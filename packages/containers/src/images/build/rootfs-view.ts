// What a path means in an image, found in its layers without mounting them. A COPY needs it: a directory made anew in
// a layer would hide a link of that name below (/lib → usr/lib) and replace a directory's owner and mode (/tmp).
import type { Stats } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join, posix } from "node:path";
import { ImageError } from "../errors.ts";

export interface FoundEntry {
  readonly stats: Stats;
  /** On this machine. */
  readonly source: string;
}

const MAX_LINKS = 40;

export class RootfsView {
  readonly #layers: readonly string[];
  readonly #resolved = new Map<string, Promise<string>>();

  /** `layers`: directories, topmost first. */
  constructor(layers: readonly string[]) {
    this.#layers = layers;
  }

  /** The entry at a path without links in its parents; undefined when there is none. Opaque marks are not seen. */
  async entry(path: string): Promise<FoundEntry | undefined> {
    for (const layer of this.#layers) {
      const source = join(layer, path);
      const stats = await lstat(source).catch(() => undefined);
      if (stats !== undefined) return isWhiteout(stats) ? undefined : { stats, source };
      if (await this.#hidesBelow(layer, path)) return undefined;
    }
    return undefined;
  }

  /** Names in a directory without links in its path, in order. Opaque marks are not seen. */
  async list(path: string): Promise<readonly string[]> {
    const names = new Map<string, boolean>();
    for (const layer of this.#layers) {
      const entries = await readdir(join(layer, path), { withFileTypes: true }).catch(() => []);
      for (const entry of entries) {
        if (names.has(entry.name)) continue;
        names.set(entry.name, !entry.isCharacterDevice() || !isWhiteout(await lstat(join(layer, path, entry.name))));
      }
      const stats = await lstat(join(layer, path)).catch(() => undefined);
      if (stats === undefined ? await this.#hidesBelow(layer, path) : !stats.isDirectory()) break;
    }
    return [...names].flatMap(([name, isThere]) => (isThere ? [name] : [])).sort();
  }

  /** The path with all links of its directories followed, itself included; never outside of the image. */
  resolveDirectory(path: string): Promise<string> {
    const known = this.#resolved.get(path);
    if (known !== undefined) return known;
    const resolved = this.#follow(path, 0);
    this.#resolved.set(path, resolved);
    return resolved;
  }

  /** The text of a file; undefined when there is none. */
  async read(path: string): Promise<string | undefined> {
    const resolved = posix.join(await this.resolveDirectory(posix.dirname(path)), posix.basename(path));
    const entry = await this.entry(resolved);
    return entry?.stats.isFile() ? readFile(entry.source, "utf8") : undefined;
  }

  async #follow(path: string, links: number): Promise<string> {
    if (links > MAX_LINKS) throw new ImageError("invalid", `The path "${path}" goes through more than ${MAX_LINKS} links.`);
    let at = "/";
    const rest = path.split("/").filter((component) => component !== "");
    for (const [index, component] of rest.entries()) {
      const next = posix.join(at, component);
      const entry = await this.entry(next);
      if (entry?.stats.isSymbolicLink()) {
        const target = posix.resolve(at, await readlink(entry.source));
        return this.#follow(posix.join(target, ...rest.slice(index + 1)), links + 1);
      }
      at = next;
    }
    return at;
  }

  /** Whether a layer removes a parent of the path, so that nothing below it counts. */
  async #hidesBelow(layer: string, path: string): Promise<boolean> {
    for (let parent = posix.dirname(path); parent !== "/"; parent = posix.dirname(parent)) {
      const stats = await lstat(join(layer, parent)).catch(() => undefined);
      if (stats !== undefined) return !stats.isDirectory();
    }
    return false;
  }
}

function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}
