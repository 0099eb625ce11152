// Warm calls, maps and spawns, beside BullMQ and graphile-worker with the same durability.
import type { LydianBench } from "./lydian.ts";
import { percentile, summary } from "./measure.ts";
import { bullmq } from "./peers/bullmq.ts";
import { graphileWorker } from "./peers/graphile-worker.ts";

export async function calls(bench: LydianBench): Promise<string[]> {
  const warm = await bench.run<{ ms: number[] }>("warm-call");
  const map = await bench.run<{ tasks: number; ms: number }>("map");
  const spawn = await bench.run<{ tasks: number; ms: number; spawnedMs: number }>("spawn");
  const bull = await bullmq(1_000, 10_000);
  const graphile = await graphileWorker(10_000);
  const rate = (tasks: number, ms: number) => (tasks / ms) * 1000;
  const mapRate = rate(map.result.tasks, map.result.ms);
  const spawnRate = rate(spawn.result.tasks, spawn.result.ms);
  const p50 = percentile(warm.result.ms, 50);
  return [
    "### Warm call: one at a time, call and result durable before they are acknowledged\n",
    "| | |",
    "|---|---|",
    `| Lydian \`.remote()\` | ${summary(warm.result.ms)} |`,
    `| ${bull.name}: \`add\` + \`waitUntilFinished\` | ${summary(bull.roundTripMs)} |`,
    "",
    `Lydian ÷ BullMQ: ${(p50 / percentile(bull.roundTripMs, 50)).toFixed(2)} (bar: 1, and p50 ≤ 5 ms).\n`,
    "### Throughput, tasks/s\n",
    "| | |",
    "|---|---|",
    `| Lydian \`.map\` of ${map.result.tasks}, one container with 100 slots, every result returned | ${mapRate.toFixed(0)} |`,
    `| ${bull.name}: \`addBulk\`, every result returned | ${bull.returned.toFixed(0)} |`,
    `| Lydian ${spawn.result.tasks} \`.spawn\`s, until the last has run | ${spawnRate.toFixed(0)} (acknowledged at ${rate(spawn.result.tasks, spawn.result.spawnedMs).toFixed(0)}) |`,
    `| ${bull.name}: \`add\` with 1,000 in flight, until the last has run | ${bull.spawned.toFixed(0)} |`,
    `| ${graphile.name}: \`add_jobs\` in bulk, until the last has run | ${graphile.tasksPerSecond.toFixed(0)} |`,
    "",
    `map ÷ BullMQ: ${(mapRate / bull.returned).toFixed(1)}; spawn ÷ BullMQ: ${(spawnRate / bull.spawned).toFixed(1)}; map ÷ graphile-worker: ${(mapRate / graphile.tasksPerSecond).toFixed(1)}; spawn ÷ graphile-worker: ${(spawnRate / graphile.tasksPerSecond).toFixed(1)} (bar: 5).`,
  ];
}
