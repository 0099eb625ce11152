import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it } from "vitest";
import { hostTraces, newTraces } from "./host-traces.ts";
import { cli, startServer } from "./server-process.ts";

let dataDir = "";
beforeAll(async () => {
  dataDir = await mkdtemp("/var/tmp/lydian-kill-");
});
afterAll(() => rm(dataDir, { recursive: true, force: true, maxRetries: 3 }));

it("keeps every acknowledged call through kill -9 of the server, and leaves nothing behind", async () => {
  const before = hostTraces(dataDir);
  let server = await startServer(dataDir);
  const run = spawn(process.execPath, [cli, "run", join(import.meta.dirname, "apps/durable.ts")], {
    env: server.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<number | null>((resolve) => run.once("exit", resolve));
  let errors = "";
  run.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });

  const lines: string[] = [];
  let kills = 0;
  let restarting: Promise<void> | undefined;
  for await (const line of createInterface(run.stdout)) {
    lines.push(line);
    // Twice: while calls are still being made, and while results are awaited.
    if ((line === "acknowledged 150" || line === "acknowledged 399") && kills < 2) {
      kills++;
      restarting = (restarting ?? Promise.resolve()).then(async () => {
        await server.killNine();
        server = await startServer(dataDir);
      });
    }
  }
  await restarting;
  expect(await exited, errors).toBe(0);
  expect(kills).toBe(2);
  const sum = Array.from({ length: 400 }, (_, x) => x * x).reduce((a, b) => a + b, 0);
  expect(lines.at(-1)).toBe(`sum ${sum}`);
  expect(await server.stop()).toBe(0);
  // Servers that run beside this one make and remove control groups, too: a moment without any of them is waited for.
  await expect.poll(() => newTraces(before, hostTraces(dataDir)), { timeout: 10_000 }).toEqual([]);
});
