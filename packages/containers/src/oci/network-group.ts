// The processes of one slot where there are no control groups to use (without root): those in its network namespace, which a
// container cannot leave. They can be counted and ended, not limited.
import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { ContainerStats } from "../host.ts";
import { killAll, type ProcessGroup } from "./process-group.ts";

const REMOVE_TIMEOUT_MS = 10_000;
const FREEZE_TIMEOUT_MS = 5_000;
/** Stopped, traced and stopped, dead. */
const STOPPED_STATES = "TtZX";
const PAGE_BYTES = 4096;
/** Linux counts processor time in hundredths of a second for programs, whatever the kernel's own clock. */
const TICK_MS = 10;

export class NetworkGroup implements ProcessGroup {
  readonly path = "";
  /** What `freeze` has stopped. */
  readonly #stopped = new Set<number>();
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

  /** With SIGSTOP. Whoever looks from inside can tell: there is no other way without a control group. */
  async freeze(): Promise<void> {
    const deadline = Date.now() + FREEZE_TIMEOUT_MS;
    const seen = new Set<number>();
    // Who is in the kernel when the signal comes stops on the way out; if it waits there for a child that it forked, the child has stopped.
    // Until a look finds no process that runs: one may have been made between the look and the signal.
    for (;;) {
      const states = await this.#states();
      const running = [...states]
        .filter(([pid, state]) => !STOPPED_STATES.includes(state) && !(state === "D" && seen.has(pid)))
        .map(([pid]) => pid);
      if (running.length === 0) break;
      for (const pid of running) {
        if (seen.has(pid)) continue;
        seen.add(pid);
        this.#stopped.add(pid);
        sendQuietly(pid, "SIGSTOP");
      }
      if (Date.now() > deadline) {
        await this.thaw();
        throw new Error(`Processes ${running.join(", ")} did not stop within ${FREEZE_TIMEOUT_MS} ms.`);
      }
      await delay(1);
    }
  }

  /** Children before their parents, which therefore never find them stopped. Those that were stopped before stay so. */
  async thaw(): Promise<void> {
    const present = new Set(await this.processes());
    const pids = [...this.#stopped].filter((pid) => present.has(pid)).sort((a, b) => b - a);
    this.#stopped.clear();
    for (const pid of pids) sendQuietly(pid, "SIGCONT");
  }

  async #states(): Promise<ReadonlyMap<number, string>> {
    const states = new Map<number, string>();
    for (const pid of await this.processes()) {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      const state = stat.charAt(stat.lastIndexOf(")") + 2);
      if (state !== "") states.set(pid, state);
    }
    return states;
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

function sendQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
