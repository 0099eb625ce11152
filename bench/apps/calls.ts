// The calls that the benchmark times, made by the CLI as any user's would be. Results go to the file named by BENCH_OUT.
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { App } from "lydian";

export const app = new App("bench");

export const square = app.function({ maxContainers: 1, concurrent: { maxInputs: 100 } }, async (x: number) => x * x);

/** Each has a pool of its own, so its first call starts from zero containers. */
export const cold = Array.from({ length: 24 }, (_, i) => app.function({ name: `cold-${i}`, maxContainers: 1 }, async (x: number) => x));

export const hold = app.function({ maxContainers: 100, memory: "128Mi" }, async (forMs: number) => {
  const runningAt = Date.now();
  await sleep(forMs);
  return runningAt;
});

const report = (result: unknown) => writeFile(process.env.BENCH_OUT ?? "/dev/stdout", JSON.stringify(result));

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

app.localEntrypoint({ name: "cold-start" }, async () => {
  const pauseMs = Number(process.env.BENCH_PAUSE_MS ?? 0);
  await cold[0]?.remote(0);
  const ms: number[] = [];
  for (const fn of cold.slice(1)) {
    await sleep(pauseMs);
    ms.push(await timed(() => fn.remote(1)));
  }
  await report({ ms });
});

app.localEntrypoint({ name: "warm-call" }, async () => {
  for (let i = 0; i < 1_000; i++) await square.remote(i);
  const ms: number[] = [];
  for (let i = 0; i < 1_000; i++) ms.push(await timed(() => square.remote(i)));
  await report({ ms });
});

app.localEntrypoint({ name: "map" }, async () => {
  const inputs = Array.from({ length: 10_000 }, (_, i) => i);
  await square.map(inputs);
  const ms = await timed(async () => {
    const results = await square.map(inputs);
    if (results.length !== inputs.length || results[9_999] !== 9_999 ** 2) throw new Error("wrong results");
  });
  await report({ tasks: inputs.length, ms });
});

app.localEntrypoint({ name: "spawn" }, async () => {
  await square.remote(1);
  const tasks = Number(process.env.BENCH_SPAWNS ?? 100_000);
  let last: Awaited<ReturnType<typeof square.spawn>> | undefined;
  let next = 0;
  let spawnedMs = 0;
  const ms = await timed(async () => {
    const start = performance.now();
    const lane = async () => {
      while (next < tasks) last = await square.spawn(next++);
    };
    await Promise.all(Array.from({ length: 1_000 }, lane));
    spawnedMs = performance.now() - start;
    await last?.get();
    for (;;) {
      const { backlog, running } = await square.getCurrentStats();
      if (backlog + running === 0) break;
      await sleep(20);
    }
  });
  await report({ tasks, ms, spawnedMs });
});

app.localEntrypoint({ name: "hundred" }, async () => {
  const holdMs = Number(process.env.BENCH_HOLD_MS ?? 60_000);
  const start = Date.now();
  const runningAt = await hold.map(Array.from({ length: 100 }, () => holdMs));
  const last = Math.max(...runningAt);
  await report({ allRunningMs: last - start, overlapped: last < Math.min(...runningAt) + holdMs });
});
