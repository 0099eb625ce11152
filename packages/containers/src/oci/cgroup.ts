// The control group of one slot. We make, fill and remove it ourselves instead of leaving it to the OCI runtime:
// it is ready before a start, its counters (was there an OOM kill?) survive the runtime, and versions 1, 2 and hybrid
// look the same to the rest.

import { readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ContainerStats, Limits } from "../host.ts";
import type { CgroupLayout } from "./cgroup-layout.ts";
import { DEVICE_RULES, limitWrites } from "./limits.ts";
import { killAll, type ProcessGroup } from "./process-group.ts";

/** How long processes may take to stop: those that the kernel is busy for (a write to a slow disk) stop afterwards. */
const FREEZE_TIMEOUT_MS = 5_000;
/** How long the kernel may take to reap killed processes before a group counts as stuck. */
const REMOVE_TIMEOUT_MS = 10_000;

/** Looks, a millisecond apart, before freezing is tried anew. */
const LOOKS_A_TRY = 5;
const FREEZER_STATE = "freezer.state";

export class Cgroup implements ProcessGroup {
  readonly #layout: CgroupLayout;
  /** Path below each tree's root, e.g. `lydian-1a2b/ly1a2b0`. */
  readonly path: string;
  /** What its limits are known to be, by file. */
  readonly #limits = new Map<string, string>();
  /** Groups below it that may have processes. */
  #below: readonly (typeof CHILD | typeof SHELL)[] = [CHILD, SHELL];

  constructor(layout: CgroupLayout, path: string) {
    this.#layout = layout;
    this.path = path;
  }

  /** Its directory in each tree. */
  get directories(): readonly string[] {
    return [...new Set(Object.values(this.#layout.roots))].map((root) => join(root, this.path));
  }

  /** Writing a pid to each of these moves a process in; below, when the runtime makes a group of its own beside it. */
  procsFiles(below?: typeof CHILD | typeof SHELL): readonly string[] {
    return this.directories.map((directory) => join(directory, below ?? "", "cgroup.procs"));
  }

  async create(options: { shell: boolean }): Promise<void> {
    await Promise.all(this.directories.map((directory) => mkdir(directory, { recursive: true })));
    // A new group has no limits but those of its parents.
    for (const { controller, file, value } of limitWrites({}, this.#layout)) if (controller !== "pids") this.#limits.set(file, value);
    if (options.shell) await Promise.all(this.directories.map((directory) => mkdir(join(directory, SHELL))));
    else this.#below = [];
  }

  async setLimits(limits: Limits): Promise<void> {
    for (const write of limitWrites(limits, this.#layout)) {
      const root = this.#layout.roots[write.controller];
      if (root === undefined || this.#limits.get(write.file) === write.value) continue;
      this.#limits.delete(write.file);
      try {
        await writeFile(join(root, this.path, write.file), write.value);
        this.#limits.set(write.file, write.value);
      } catch (error) {
        if (write.optional) continue;
        throw new Error(`Could not set ${write.file} to ${write.value}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
    }
  }

  async #read(controller: "memory" | "pids" | "cpu" | "cpuacct", file: string): Promise<string> {
    const root = this.#layout.roots[controller];
    return root === undefined ? "" : readFile(join(root, this.path, file), "utf8").catch(() => "");
  }

  /** Whether the kernel killed something in it for memory. A runtime may have put the processes one level deeper. */
  async oomKilled(): Promise<boolean> {
    const file = this.#layout.version === 2 ? "memory.events" : "memory.oom_control";
    for (const path of [file, join(CHILD, file)]) {
      if (/^oom_kill [1-9]/m.test(await this.#read("memory", path))) return true;
    }
    return false;
  }

  async stats(): Promise<ContainerStats> {
    const number = (text: string) => Number.parseInt(text, 10) || 0;
    if (this.#layout.version === 2) {
      const [memory, cpu, pids] = await Promise.all([
        this.#read("memory", "memory.current"),
        this.#read("cpu", "cpu.stat"),
        this.#read("pids", "pids.current"),
      ]);
      return { memoryBytes: number(memory), cpuMs: Math.round(number(/usage_usec (\d+)/.exec(cpu)?.[1] ?? "") / 1000), pids: number(pids) };
    }
    const [memory, cpu, pids] = await Promise.all([
      this.#read("memory", "memory.usage_in_bytes"),
      this.#read("cpuacct", "cpuacct.usage"),
      this.#read("pids", "pids.current"),
    ]);
    return { memoryBytes: number(memory), cpuMs: Math.round(number(cpu) / 1e6), pids: number(pids) };
  }

  async freeze(): Promise<void> {
    const deadline = Date.now() + FREEZE_TIMEOUT_MS;
    // Version 1 has no event for it. Nearly always the first look finds it done.
    for (let look = 1; ; look++) {
      await this.#setFrozen(true);
      if (await this.#isFrozen()) return;
      if (Date.now() > deadline) break;
      await delay(1);
      if (look % LOOKS_A_TRY !== 0) continue;
      if (await this.#isFrozen()) return;
      // Version 1 can wait for ever for a process that was forking just then; the next try finds it elsewhere.
      await this.#setFrozen(false);
      await delay(1);
    }
    await this.#setFrozen(false);
    throw new Error(`The processes of control group ${this.path} did not stop within ${FREEZE_TIMEOUT_MS} ms of being frozen.`);
  }

  async thaw(): Promise<void> {
    await this.#setFrozen(false);
  }

  async #setFrozen(frozen: boolean): Promise<void> {
    const version1 = this.#layout.version === 1;
    const file = this.#freezerFile(version1 ? FREEZER_STATE : "cgroup.freeze");
    if (file === undefined) throw new Error("This machine has no control groups that can freeze processes (the freezer controller).");
    await writeFile(file, version1 ? (frozen ? "FROZEN" : "THAWED") : frozen ? "1" : "0");
  }

  async #isFrozen(): Promise<boolean> {
    const version1 = this.#layout.version === 1;
    const file = this.#freezerFile(version1 ? FREEZER_STATE : "cgroup.events");
    const text = file === undefined ? "" : await readFile(file, "utf8");
    return version1 ? text.trim() === "FROZEN" : /^frozen 1$/m.test(text);
  }

  /** In version 2 freezing is no controller: every group has its files. */
  #freezerFile(name: string): string | undefined {
    const root = this.#layout.version === 2 ? this.#layout.trees[0] : this.#layout.roots.freezer;
    return root === undefined ? undefined : join(root, this.path, name);
  }

  /** Pids of all processes in it. */
  async processes(): Promise<readonly number[]> {
    // Each tree has all of them. A file of the kernel's memory: reading it elsewhere would take longer than reading it.
    const [root = ""] = Object.values(this.#layout.roots);
    const pids: number[] = [];
    for (const below of ["", ...this.#below]) {
      for (const line of readIfThere(join(root, this.path, below, "cgroup.procs")).split("\n")) if (line !== "") pids.push(Number(line));
    }
    return pids;
  }

  /** Kills what is in it and removes it. No error when it does not exist. */
  async remove(): Promise<void> {
    const deadline = Date.now() + REMOVE_TIMEOUT_MS;
    for (let waitMs = 2; ; waitMs = Math.min(waitMs * 2, 100)) {
      const pids = await this.processes();
      killAll(pids);
      // What is frozen by version 1 does not even die.
      if (pids.length > 0) await this.thaw().catch(() => {});
      const left = (await Promise.all(this.#layout.trees.map((tree) => removeTree(join(tree, this.path))))).filter(
        (directory) => directory !== undefined,
      );
      if (left.length === 0) return;
      // The kernel has no event for "the last process of a dead group has been reaped" in version 1.
      if (Date.now() > deadline) throw new Error(`The control group ${left[0]} could not be removed within ${REMOVE_TIMEOUT_MS} ms.`);
      await delay(waitMs);
    }
  }
}

/** Where a runtime that insists on its own group puts the container, and where its shell waits then. */
export const CHILD = "c";
export const SHELL = "h";

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Returns the directory when it is still busy. */
async function removeTree(directory: string): Promise<string | undefined> {
  if (await removed(directory)) return undefined;
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  return (await removed(directory)) ? undefined : directory;
}

async function removed(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/**
 * Makes the group that holds all slots of a host, and hands it the controllers. `devices`: what is in it may open only the devices that
 * containers need; groups that are made in it inherit that. Otherwise a runtime sets rules of its own, which these must not narrow.
 */
export async function createParentCgroup(layout: CgroupLayout, name: string, options: { readonly devices: boolean }): Promise<void> {
  for (const root of new Set(Object.values(layout.roots))) {
    await mkdir(join(root, name), { recursive: true });
    if (layout.version === 1) continue;
    const wanted = ["memory", "pids", "cpu"].filter((controller) => controller in layout.roots).map((controller) => `+${controller}`);
    for (const directory of [root, join(root, name)]) await writeFile(join(directory, "cgroup.subtree_control"), wanted.join(" "));
  }
  if (layout.version === 2 || layout.roots.devices === undefined) return;
  const file = (what: string) => join(layout.roots.devices ?? "", name, `devices.${what}`);
  // Once there are groups in it, the kernel lets nobody change between the two.
  const isOpen = (await readFile(file("list"), "utf8")).startsWith("a ");
  if (options.devices === !isOpen) return;
  await writeFile(file(options.devices ? "deny" : "allow"), "a").catch((cause: unknown) => {
    throw new Error(
      `The rules for devices of ${name} cannot change while containers of another runtime or version run in it: end them first.`,
      {
        cause,
      },
    );
  });
  if (options.devices) for (const rule of DEVICE_RULES) await writeFile(file("allow"), rule);
}

/** Names of the groups inside the host's group. */
export async function listCgroups(layout: CgroupLayout, name: string): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const root of new Set(Object.values(layout.roots))) {
    const entries = await readdir(join(root, name), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) names.add(entry.name);
  }
  return [...names];
}
