// What is copied out of, and mounted into, the file system of a container: arguments for the program in host-tool/.

import { mkdir, rename, rm, symlink } from "node:fs/promises";
import { dirname, isAbsolute, join, posix } from "node:path";
import type { Launcher } from "../launcher/launcher.ts";
import type { Slot } from "./slot.ts";
import { overlayOptions } from "./slot-script.ts";

const MAX_PATH = 4_095;

export interface DirectoriesOptions {
  readonly launcher: Launcher;
  /** Undefined: it has not been built. */
  readonly tool: string | undefined;
  readonly rootless: boolean;
}

export class Directories {
  readonly #options: DirectoriesOptions;

  constructor(options: DirectoriesOptions) {
    this.#options = options;
  }

  get available(): boolean {
    return this.#options.tool !== undefined;
  }

  /** Copies a writable layer (`upper`), or a directory as the process `pid` sees it, to `target`, whole or not at all; with ids counted from `ids`. */
  async copy(
    what: { readonly upper: string } | { readonly pid: number; readonly path: string },
    target: string,
    limits: { readonly maxMiB: number; readonly ids: number },
  ): Promise<void> {
    const partial = `${target}.partial-${process.pid}`;
    await mkdir(dirname(target), { recursive: true });
    await rm(partial, { recursive: true, force: true });
    const rest = [partial, String(Math.ceil(limits.maxMiB)), String(limits.ids)];
    try {
      if ("pid" in what) await this.#run("copy-inside", String(what.pid), checkPath(what.path), ...rest);
      else if (this.available) await this.#run("copy-upper", what.upper, ...rest);
      else await this.#options.launcher.run(["cp", "--archive", "--no-target-directory", what.upper, partial]);
      await rename(partial, target);
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw error;
    }
  }

  /** `name`: of this mount, unique in the slot. */
  async mount(
    slot: Slot,
    pid: number,
    path: string,
    layers: readonly string[],
    { name, ids }: { readonly name: string; readonly ids: number },
  ): Promise<void> {
    const target = checkPath(path);
    const { rootless } = this.#options;
    const work = join(slot.dir, "m", name);
    await mkdir(join(work, "r"), { recursive: true });
    try {
      if (layers.length === 0) await mkdir(join(work, "0"));
      await Promise.all(layers.map((layer, index) => symlink(layer, join(work, index.toString(36)))));
      const options = overlayOptions({ layers: Math.max(layers.length, 1), rootless, volatile: true }).join(",");
      await this.#run("mount", String(pid), String(slot.process.pid), work, `../../W/m/${name}`, target, options, String(ids));
    } catch (error) {
      await this.#removeStore(slot, name);
      throw error;
    }
  }

  /** While the container is frozen. */
  async unmount(slot: Slot, pid: number, path: string): Promise<void> {
    const said = await this.#run("unmount", String(pid), checkPath(path));
    const name = /^free .*\bupperdir=\.\.\/\.\.\/W\/m\/(\w+)\/u\b/.exec(said)?.[1];
    // What a process still uses stays on the container's disk until it ends.
    if (name !== undefined) await this.#removeStore(slot, name);
  }

  async #removeStore(slot: Slot, name: string): Promise<void> {
    const store = join("/proc", String(slot.process.pid), "root", slot.dir, "W/m", name);
    await this.#options.launcher.run(["rm", "-rf", "--", store]);
    await rm(join(slot.dir, "m", name), { recursive: true, force: true });
  }

  async #run(...args: readonly string[]): Promise<string> {
    const { tool, launcher } = this.#options;
    if (tool === undefined)
      throw new Error(
        "the program lydian-host has not been built: it takes a C compiler. apt-get install gcc libc6-dev, then npm run build.",
      );
    return launcher.run([tool, ...args]);
  }
}

/** The path without `.`, `..` and a slash at its end. */
function checkPath(path: string): string {
  if (!isAbsolute(path) || path.includes("\0") || Buffer.byteLength(path) > MAX_PATH)
    throw new TypeError(`${JSON.stringify(path.slice(0, 200))} must be an absolute path of at most ${MAX_PATH} bytes`);
  return posix.normalize(path).replace(/(?<=.)\/$/, "");
}
