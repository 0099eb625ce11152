// Five hundred sandboxes that do nothing: what each costs. And thousands of rounds of making and ending one: what is left.
import { setTimeout as sleep } from "node:timers/promises";
import type { LydianBench } from "./lydian.ts";
import { type LydianSandboxes, lydianSandboxes } from "./lydian-sandboxes.ts";
import { cgroupMiB, familyOf, hostKey, kernelMiB, quietHoldings, residentMiB } from "./machine.ts";
import { percentile, sequential } from "./measure.ts";
import { COMMAND, oneByOne } from "./sandbox-load.ts";

const IDLE = Number(process.env.BENCH_IDLE ?? 500);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5_000);
/** At once, while many are made. */
const LANES = 8;

export async function idleSandboxes(bench: LydianBench): Promise<string[]> {
  const lydian = lydianSandboxes(bench);
  await oneByOne(lydian, 5);
  const key = hostKey(bench.dataDir);
  const pid = bench.serverPid();
  await sleep(3_000);
  const look = async () => {
    const family = await familyOf(pid);
    const launcher = family[1];
    const sum = (...names: string[]) => family.filter(({ name }) => names.includes(name)).reduce((all, { mib }) => all + mib, 0);
    return {
      kernel: kernelMiB(),
      server: residentMiB(pid),
      launcher: launcher === undefined ? 0 : residentMiB(launcher.pid),
      agents: sum("lydian-agent"),
      runtimes: sum("crun", "runc", "sh", "unshare"),
      groups: cgroupMiB(key),
    };
  };
  const before = await look();
  const start = performance.now();
  const ids = await inLanes(IDLE, () => lydian.create());
  // The last ones are under way when they are acknowledged.
  await Promise.all(ids.slice(-LANES).map((id) => lydian.handle(id).exec(COMMAND)));
  const seconds = (performance.now() - start) / 1000;
  await sleep(3_000);
  const after = await look();
  const execs = await sequential(50, 0, (i) => lydian.exec(ids[(i * 37) % ids.length] ?? "", COMMAND));
  const each = (name: keyof typeof before) => `${(((after[name] - before[name]) / IDLE) * 1024).toFixed(0)} KiB`;
  await removeAll(lydian, ids);
  await sleep(3_000);
  const gone = await look();
  const mib = (value: number) => `${value.toFixed(0)} MiB`;
  return [
    `### ${IDLE} idle sandboxes\n`,
    "| | |",
    "|---|---|",
    `| made in | ${seconds.toFixed(1)} s |`,
    `| of each: its agent; the runtime that waits for it (share of memory) | ${each("agents")}; ${each("runtimes")} |`,
    `| of each: its control group, which counts agent, runtime, files and what the kernel notes for them | ${each("groups")} |`,
    `| of each: the kernel's own memory, as the whole machine has more of it | ${each("kernel")} |`,
    `| of each: the server, the launcher (resident) | ${each("server")}, ${each("launcher")} |`,
    `| server, resident: before → with ${IDLE} → after their end | ${mib(before.server)} → ${mib(after.server)} → ${mib(gone.server)} |`,
    `| launcher, the same | ${mib(before.launcher)} → ${mib(after.launcher)} → ${mib(gone.launcher)} |`,
    `| kernel of the machine, the same | ${mib(before.kernel)} → ${mib(after.kernel)} → ${mib(gone.kernel)} |`,
    `| first output of a command in one of ${IDLE} | p50 ${percentile(execs, 50).toFixed(1)} ms, p95 ${percentile(execs, 95).toFixed(1)} ms |`,
  ];
}

export async function sandboxRounds(bench: LydianBench): Promise<string[]> {
  const lydian = lydianSandboxes(bench);
  const pid = bench.serverPid();
  // Caches are filled, and what is kept of those that ended is at its bound.
  await inLanes(Math.min(600, ROUNDS), () => round(lydian));
  const key = hostKey(bench.dataDir);
  const before = await quietHoldings(pid, bench.dataDir, key);
  const residentBefore = residentMiB(pid);
  const start = performance.now();
  await inLanes(ROUNDS, () => round(lydian));
  const perSecond = (ROUNDS / (performance.now() - start)) * 1000;
  const after = await quietHoldings(pid, bench.dataDir, key);
  const leaked = Object.keys(before).filter((name) => (after[name] ?? 0) > (before[name] ?? 0));
  return [
    `### ${ROUNDS} rounds of create and terminate, ${LANES} at once (${perSecond.toFixed(0)}/s)\n`,
    "| | before | after |",
    "|---|---|---|",
    ...Object.keys(before).map((name) => `| ${name} | ${before[name]} | ${after[name]} |`),
    `| resident memory of the server | ${residentBefore.toFixed(0)} MiB | ${residentMiB(pid).toFixed(0)} MiB |`,
    "",
    leaked.length === 0 ? "Nothing is left." : `**Left: ${leaked.join(", ")}.**`,
  ];
}

async function round(lydian: LydianSandboxes): Promise<void> {
  await lydian.remove(await lydian.create());
}

async function removeAll(lydian: LydianSandboxes, ids: readonly string[]): Promise<void> {
  const left = [...ids];
  await inLanes(ids.length, () => lydian.remove(left.pop() ?? ""));
}

async function inLanes<T>(times: number, work: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let begun = 0;
  const lane = async () => {
    while (begun++ < times) results.push(await work());
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}
