// What containers of ours leave on a machine while they exist.
import { readdirSync, readFileSync } from "node:fs";

export interface HostTraces {
  readonly mounts: readonly string[];
  readonly namespaces: readonly string[];
  readonly cgroups: readonly string[];
  readonly processes: readonly string[];
}

const names = (dir: string): string[] => {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
};

/** Whether processes are in a control group or below it. A container's has some as long as it lives. */
function isPopulated(cgroup: string): boolean {
  try {
    if (readFileSync(`${cgroup}/cgroup.procs`, "utf8").trim() !== "") return true;
  } catch {
    return false;
  }
  return readdirSync(cgroup, { withFileTypes: true }).some((entry) => entry.isDirectory() && isPopulated(`${cgroup}/${entry.name}`));
}

/**
 * Everything below `dataDir` that is mounted, our network namespaces, control groups of ours that nobody is in (others belong to
 * servers that run beside the test), and processes that name the directory.
 */
export function hostTraces(dataDir: string): HostTraces {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(dataDir));
  const roots = ["/sys/fs/cgroup", ...names("/sys/fs/cgroup").map((name) => `/sys/fs/cgroup/${name}`)];
  const cgroups = roots
    .flatMap((root) => names(root).flatMap((name) => (name.startsWith("lydian-") ? `${root}/${name}` : [])))
    .flatMap((host) => names(host).flatMap((name) => (name.startsWith("ly") ? `${host}/${name}` : [])))
    .filter((cgroup) => !isPopulated(cgroup));
  const processes = names("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return command.includes(dataDir) ? [command] : [];
      } catch {
        return [];
      }
    });
  return { mounts, namespaces: names("/run/netns").filter((name) => name.startsWith("ly")), cgroups, processes };
}

/** What is there and was not before. */
export function newTraces(before: HostTraces, after: HostTraces): string[] {
  const known = new Set(Object.values(before).flat());
  return Object.values(after)
    .flat()
    .filter((trace) => !known.has(trace));
}
