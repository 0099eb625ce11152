// Spawns calls, says each time one was acknowledged, then waits for all results.
import { setTimeout as sleep } from "node:timers/promises";
import { App } from "lydian";

export const app = new App("durable");

export const square = app.function({ concurrent: { maxInputs: 20 }, maxContainers: 2 }, async (x: number) => {
  await sleep(20);
  return x * x;
});

app.localEntrypoint(async () => {
  const calls: Awaited<ReturnType<typeof square.spawn>>[] = [];
  for (let x = 0; x < 400; x++) {
    calls.push(await square.spawn(x));
    console.log(`acknowledged ${x}`);
  }
  const results = await Promise.all(calls.map((call) => call.get()));
  console.log(`sum ${results.reduce((sum, result) => sum + result, 0)}`);
});
