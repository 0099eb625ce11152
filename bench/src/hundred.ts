// A hundred containers at once, and what is left of them afterwards.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { LydianBench } from "./lydian.ts";
import { output } from "./processes.ts";

export async function hundred(bench: LydianBench): Promise<string[]> {
  const before = await traces();
  const idle = rssMiB(bench.serverPid());
  let peak = idle;
  const watch = setInterval(() => {
    peak = Math.max(peak, rssMiB(bench.serverPid()));
  }, 200);
  const { result } = await bench.run<{ allRunningMs: number; overlapped: boolean }>("hundred");
  clearInterval(watch);
  // The app is stopped: its containers are gone; standby ones are replaced within a moment.
  await sleep(3_000);
  const after = await traces();
  return [
    "### A hundred containers at once\n",
    "| | |",
    "|---|---|",
    `| time until all run | ${(result.allRunningMs / 1000).toFixed(1)} s${result.overlapped ? "" : " (not all at the same time)"} |`,
    `| resident memory of the server, idle → peak | ${idle} → ${peak} MiB |`,
    `| mounts, links and containers, before → after | ${before} → ${after} |`,
  ];
}

const rssMiB = (pid: number): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024);

async function traces(): Promise<string> {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n").length;
  const links = (await output("ip", "-o", "link")).trim().split("\n").length;
  const runtimes = Number((await output("sh", "-c", "pgrep -fc '[r]untime.mjs' || true")).trim());
  return `${mounts}, ${links}, ${runtimes}`;
}
