// What containers of ours leave on a machine while they exist. Two snapshots must be equal when nothing runs.
import { readdirSync, readFileSync } from "node:fs";

export interface HostTraces {
  readonly mounts: readonly string[];
  readonly namespaces: readonly string[];
  readonly cgroups: readonly string[];
  readonly runtimes: readonly string[];
}

const names = (dir: string): string[] => {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
};

/** Everything below `dataDir` that is mounted, our network namespaces, our cgroups, and processes of the OCI runtime or of containers. */
export function hostTraces(dataDir: string): HostTraces {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(dataDir));
  const cgroups = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"].flatMap((root) =>
    names(root)
      .filter((name) => name.startsWith("ly"))
      .flatMap((name) =>
        names(`${root}/${name}`)
          .filter((child) => child.startsWith("ly") || child.startsWith("ta-"))
          .map((child) => `${root}/${name}/${child}`),
      ),
  );
  const runtimes = names("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return command.includes(dataDir) || command.includes("/run/lydian/runtime") ? [command] : [];
      } catch {
        return [];
      }
    });
  return { mounts, namespaces: names("/run/netns").filter((name) => name.startsWith("ly")), cgroups, runtimes };
}
