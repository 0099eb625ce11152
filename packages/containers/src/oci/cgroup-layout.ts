// Where the machine keeps its control groups: version 1 (one tree per controller), version 2 (one tree), or
// "hybrid" (version 1 trees and a version 2 tree that has what is left).

import { readFile } from "node:fs/promises";

export type Controller = "memory" | "pids" | "cpu" | "cpuacct" | "devices" | "freezer";
const CONTROLLERS: readonly Controller[] = ["memory", "pids", "cpu", "cpuacct", "devices", "freezer"];

export interface CgroupLayout {
  readonly version: 1 | 2;
  /** Directory of the tree of each controller that exists. In version 2 all are the same. */
  readonly roots: Readonly<Partial<Record<Controller, string>>>;
  /** All trees, also those without a controller of ours: a runtime makes groups there too. */
  readonly trees: readonly string[];
  /** The version 2 tree of a hybrid machine. */
  readonly unified?: string;
}

/** Whether groups of processes can be frozen: version 1 has a controller for it, in version 2 every group can. */
export function canFreeze(layout: CgroupLayout): boolean {
  return layout.version === 2 || layout.roots.freezer !== undefined;
}

/** Reads `/proc/self/mounts`; `rootControllers` is the content of `cgroup.controllers` of the version 2 root. Undefined: no control groups. */
export function parseCgroupLayout(mounts: string, rootControllers: string): CgroupLayout | undefined {
  const roots: Partial<Record<Controller, string>> = {};
  const trees: string[] = [];
  let unified: string | undefined;
  for (const line of mounts.split("\n")) {
    const [, directory, type, options] = line.split(" ");
    if (directory === undefined || options === undefined) continue;
    if (type === "cgroup" || type === "cgroup2") trees.push(directory);
    if (type === "cgroup2") unified ??= directory;
    if (type !== "cgroup") continue;
    const words = options.split(",");
    for (const controller of CONTROLLERS) if (words.includes(controller)) roots[controller] ??= directory;
  }
  if (Object.keys(roots).length > 0) return { version: 1, roots, trees, ...(unified === undefined ? {} : { unified }) };
  if (unified === undefined) return undefined;
  const available = rootControllers.trim().split(/\s+/);
  for (const controller of CONTROLLERS) if (available.includes(controller)) roots[controller] = unified;
  return { version: 2, roots, trees };
}

export async function readCgroupLayout(): Promise<CgroupLayout | undefined> {
  const mounts = await readFile("/proc/self/mounts", "utf8");
  const root = mounts
    .split("\n")
    .find((line) => line.split(" ")[2] === "cgroup2")
    ?.split(" ")[1];
  const controllers = root === undefined ? "" : await readFile(`${root}/cgroup.controllers`, "utf8").catch(() => "");
  return parseCgroupLayout(mounts, controllers);
}
