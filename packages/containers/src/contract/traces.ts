// Counts what containers could leave on a machine.

import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { promisify } from "node:util";
import { hostKey } from "../oci/host-key.ts";

const run = promisify(execFile);

export interface Traces {
  readonly mounts: number;
  readonly links: number;
  readonly loops: number;
  readonly cgroups: number;
  /** Processes whose working directory or command names `stateDir`. */
  readonly processes: number;
  readonly files: number;
}

async function lines(file: string, args: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run(file, [...args]);
  return stdout.split("\n").filter((line) => line !== "");
}

/** What belongs to the host that keeps its state in `stateDir`. */
export async function countTraces(stateDir: string): Promise<Traces> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const key = hostKey(stateDir);
  let processes = 0;
  for (const pid of pids) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (cwd === stateDir || cwd.startsWith(`${stateDir}/`) || command.includes(`${stateDir}/`)) processes++;
  }
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n").filter((line) => line.includes(stateDir));
  return {
    mounts: mounts.length,
    links: (await lines("ip", ["-o", "link"])).filter((line) => line.includes(`: ${key}`)).length,
    loops: (await lines("losetup", ["--list", "--noheadings"])).filter((line) => line.includes(stateDir)).length,
    cgroups: (await lines("sh", ["-c", `find /sys/fs/cgroup -type d -path '*lydian-${key}/*' | wc -l`])).map(Number)[0] ?? 0,
    processes,
    files: (await lines("find", [stateDir, "-mindepth", "2"])).length,
  };
}
