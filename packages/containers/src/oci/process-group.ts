// The processes of one slot, as a group that can be counted, limited and ended.
import type { ContainerStats, Limits } from "../host.ts";

/** Those that have ended already are passed over. */
export function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Ended already.
    }
  }
}

export interface ProcessGroup {
  /** Path below each control group tree's root, for a runtime that makes a group beside it. */
  readonly path: string;
  /** Files to which a process writes its pid to join; `below`, see `CHILD` and `SHELL` in cgroup.ts. */
  procsFiles(below?: "c" | "h"): readonly string[];
  create(options: { shell: boolean }): Promise<void>;
  setLimits(limits: Limits): Promise<void>;
  /** Whether the kernel killed something in it for memory. */
  oomKilled(): Promise<boolean>;
  stats(): Promise<ContainerStats>;
  /** Stops all processes in it, and resolves when none runs. Rejects, with all of them running again, when that takes too long. */
  freeze(): Promise<void>;
  /** The opposite. */
  thaw(): Promise<void>;
  /** Pids of all processes in it. */
  processes(): Promise<readonly number[]>;
  /** Kills what is in it and removes it. No error when it does not exist. */
  remove(): Promise<void>;
}
