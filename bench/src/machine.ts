// What a server has on the machine: its processes with their memory, and what they hold.
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { output } from "./processes.ts";

export interface MachineProcess {
  readonly pid: number;
  readonly name: string;
  /** Its share of memory, in MiB. */
  readonly mib: number;
}

/** A process and all that it has started, also those that its children have. */
export async function familyOf(pid: number): Promise<MachineProcess[]> {
  const rows = (await output("ps", "-e", "-o", "pid=,ppid=,comm=")).trim().split("\n");
  const children = new Map<number, { pid: number; name: string }[]>();
  const names = new Map<number, string>();
  for (const row of rows) {
    const [own = 0, parent = 0] = row.trim().split(/\s+/, 2).map(Number);
    const name = row.trim().replace(/^\d+\s+\d+\s+/, "");
    names.set(own, name);
    children.set(parent, [...(children.get(parent) ?? []), { pid: own, name }]);
  }
  const family: MachineProcess[] = [];
  const visit = (each: number, name: string) => {
    family.push({ pid: each, name, mib: shareMiB(each) });
    for (const child of children.get(each) ?? []) visit(child.pid, child.name);
  };
  visit(pid, names.get(pid) ?? "");
  return family;
}

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

const entries = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);

function shareMiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024;
}

export const residentMiB = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;

/** What the kernel itself uses on this machine, in MiB. */
export function kernelMiB(): number {
  const rows = new Map([...read("/proc/meminfo").matchAll(/^(\w+):\s+(\d+)/gm)].map(([, name, kib]) => [name, Number(kib)]));
  return ["Slab", "KernelStack", "PageTables", "Percpu"].reduce((sum, name) => sum + (rows.get(name) ?? 0), 0) / 1024;
}

/** The prefix of names of what the host of this server makes, e.g. "ly1a2b": links, control groups. */
export function hostKey(dataDir: string): string {
  const subnet = read(join(dataDir, "host/subnet")).trim();
  for (const root of ["/sys/fs/cgroup", ...entries("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name))]) {
    for (const name of entries(root)) {
      const key = /^lydian-(ly\w+)$/.exec(name)?.[1];
      if (key === undefined) continue;
      if (entries(join(root, name)).some((slot) => existsSync(join(dataDir, "host/s", slot)) && slot.startsWith(key))) return key;
    }
  }
  throw new Error(`no control group of the host in ${dataDir} (${subnet})`);
}

/** Memory of all containers, as their control groups count it, in MiB. */
export function cgroupMiB(key: string): number {
  const version1 = read(`/sys/fs/cgroup/memory/lydian-${key}/memory.usage_in_bytes`);
  return Number(version1 || read(`/sys/fs/cgroup/lydian-${key}/memory.current`)) / 2 ** 20;
}

export type Holdings = Readonly<Record<string, number>>;

/** How much there is of everything that a container could leave behind. */
export async function holdings(serverPid: number, dataDir: string, key: string): Promise<Holdings> {
  const family = await familyOf(serverPid);
  const link = (pid: number, what: string) => {
    try {
      return readlinkSync(`/proc/${pid}/${what}`);
    } catch {
      return "";
    }
  };
  const launcher = family.find(({ pid }) => read(`/proc/${pid}/cmdline`).includes("launcher"));
  const groups = entries("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name, `lydian-${key}`));
  const groupsBelow = (path: string): number =>
    entries(path).filter(
      (name) => !name.includes(".") && name !== "tasks" && name !== "notify_on_release" && existsSync(join(path, name, "cgroup.procs")),
    ).length;
  return {
    processes: family.length,
    "descriptors of the server": entries(`/proc/${serverPid}/fd`).length,
    "descriptors of the launcher": launcher === undefined ? 0 : entries(`/proc/${launcher.pid}/fd`).length,
    "network namespaces": new Set(family.map(({ pid }) => link(pid, "ns/net"))).size,
    "mount namespaces": new Set(family.map(({ pid }) => link(pid, "ns/mnt"))).size,
    mounts: read("/proc/self/mountinfo").trim().split("\n").length,
    links: (await output("ip", "-o", "link")).split("\n").filter((line) => line.includes(` ${key}`)).length,
    routes: (await output("ip", "-4", "route")).split("\n").filter((line) => line.includes(` ${key}`)).length,
    "loop devices": (await output("sh", "-c", "cat /sys/block/loop*/loop/backing_file 2>/dev/null || true"))
      .split("\n")
      .filter((line) => line.startsWith(dataDir)).length,
    "control groups": [join("/sys/fs/cgroup", `lydian-${key}`), ...groups].reduce((sum, path) => sum + groupsBelow(path), 0),
    "directories of containers": ["host/s", "host/p", "host/r", "run"].reduce((sum, path) => sum + entries(join(dataDir, path)).length, 0),
    "directories of sandboxes": entries(join(dataDir, "sb")).length,
  };
}

/** The same when it has become quiet: what is removed in the background is gone, what is made ahead is there. */
export async function quietHoldings(serverPid: number, dataDir: string, key: string): Promise<Holdings> {
  let before = "";
  for (let tries = 0; tries < 30; tries++) {
    await sleep(2_000);
    const now = await holdings(serverPid, dataDir, key);
    const text = JSON.stringify(now);
    if (text === before) return now;
    before = text;
  }
  return JSON.parse(before) as Holdings;
}
