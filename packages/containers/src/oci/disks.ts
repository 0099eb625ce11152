// Writable layers with a hard size: sparse ext4 images, mounted through a loop device.
//
// Why not tmpfs: its pages count as the container's memory. Why not a directory: it has no limit. An image costs a few
// hundred kilobytes and 10 ms, all of it ahead of the start. No journal: a writable layer does not survive a crash anyway.

import { rename, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Launcher } from "../launcher/launcher.ts";

export class Disks {
  readonly #launcher: Launcher;
  readonly #dir: string;
  readonly #templates = new Map<number, Promise<string>>();

  constructor(launcher: Launcher, dir: string) {
    this.#launcher = launcher;
    this.#dir = dir;
  }

  /** An empty file system of this size to copy from. Made once per size. */
  template(sizeMiB: number): Promise<string> {
    let made = this.#templates.get(sizeMiB);
    if (made === undefined) {
      made = this.#make(sizeMiB);
      this.#templates.set(sizeMiB, made);
      made.catch(() => this.#templates.delete(sizeMiB));
    }
    return made;
  }

  async #make(sizeMiB: number): Promise<string> {
    const path = join(this.#dir, `disk-${sizeMiB}.ext4`);
    if ((await stat(path).catch(() => undefined)) !== undefined) return path;
    const partial = `${path}.new`;
    await writeFile(partial, "");
    await truncate(partial, Math.floor(sizeMiB * 1024 * 1024));
    await this.#launcher.run([
      "mkfs.ext4",
      "-q",
      "-F",
      ...["-O", "^has_journal,^resize_inode"],
      ...["-E", "lazy_itable_init=1,nodiscard"],
      ...["-m", "0"],
      partial,
    ]);
    await rename(partial, path);
    return path;
  }
}
