// The processes of one slot where there are no control groups to use (without root): those in its network namespace, which a
// container cannot leave. They can be counted and ended, not limited.
import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { ContainerStats } from "../host.ts";
import { killAll, type ProcessGroup } from "./process-group.ts";

const REMOVE_TIMEOUT_MS = 10_000;
const PAGE_BYTES = 4096;
/** Linux counts processor time in hundredths of a second for programs, whatever the kernel's own clock. */
const TICK_MS = 10;

export class NetworkGroup implements ProcessGroup {
  readonly path = "";
  #namespace: string | undefined;

  /** The namespace is that of a process, which must be in it by now. */
  async watch(pid: number): Promise<void> {
    this.#namespace = await readlink(`/proc/${pid}/ns/net`);
  }

  procsFiles(): readonly string[] {
    return [];
  }

  async create(): Promise<void> {}

  async setLimits(): Promise<void> {}

  async oomKilled(): Promise<boolean> {
    return false;
  }

  async processes(): Promise<readonly number[]> {
    if (this.#namespace === undefined) return [];
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
    const found = await Promise.all(
      pids.map(async (pid) => ((await readlink(`/proc/${pid}/ns/net`).catch(() => "")) === this.#namespace ? Number(pid) : 0)),
    );
    return found.filter((pid) => pid !== 0);
  }

  async stats(): Promise<ContainerStats> {
    const pids = await this.processes();
    let [memoryBytes, cpuMs] = [0, 0];
    for (const pid of pids) {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      // After the name, which may hold anything: state is field 0, user and system time 11 and 12, resident pages 21.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      memoryBytes += Number(fields[21] ?? 0) * PAGE_BYTES;
      cpuMs += (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
    }
    return { memoryBytes, cpuMs, pids: pids.length };
  }

  async remove(): Promise<void> {
    const deadline = Date.now() + REMOVE_TIMEOUT_MS;
    for (let waitMs = 2; ; waitMs = Math.min(waitMs * 2, 100)) {
      const pids = await this.processes();
      if (pids.length === 0) return;
      killAll(pids);
      // There is no event for "the last process of a namespace has ended".
      if (Date.now() > deadline)
        throw new Error(`Processes ${pids.join(", ")} did not end within ${REMOVE_TIMEOUT_MS} ms of being killed.`);
      await delay(waitMs);
    }
  }
}
