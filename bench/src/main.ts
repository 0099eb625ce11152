// Every figure, each beside its peer in the same run: node bench/run.mjs [cold] [calls] [hundred] [python] [sandboxes] [idle-sandboxes] [sandbox-rounds]. Prints Markdown.
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { calls } from "./calls.ts";
import { coldStart } from "./cold-start.ts";
import { hundred } from "./hundred.ts";
import { lydian } from "./lydian.ts";
import { bullmqWorker } from "./peers/bullmq.ts";
import { graphileWorkerProcess } from "./peers/graphile-worker.ts";
import { workerOf } from "./peers/worker-process.ts";
import { python } from "./python.ts";
import { sandboxes } from "./sandboxes.ts";
import { idleSandboxes, sandboxRounds } from "./sandboxes-at-rest.ts";

const peer = workerOf();
if (peer === undefined) await benchmark();
else {
  await (peer === "bullmq" ? bullmqWorker() : graphileWorkerProcess());
  process.send?.("ready");
}

async function benchmark(): Promise<void> {
  const dataDir = process.env.BENCH_DATA ?? "/var/tmp/lydian-bench";
  const parts = {
    cold: coldStart,
    calls,
    hundred,
    python,
    sandboxes,
    "idle-sandboxes": idleSandboxes,
    "sandbox-rounds": sandboxRounds,
  } as const;
  const wanted = process.argv.slice(2).filter((name): name is keyof typeof parts => name in parts);

  const kernel = readFileSync("/proc/version", "utf8").split(" ")[2];
  console.log(
    `Machine: ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${kernel}, Node ${process.version}.\n`,
  );
  await using bench = await lydian(dataDir);
  for (const name of wanted.length > 0 ? wanted : (Object.keys(parts) as (keyof typeof parts)[])) {
    for (const line of await parts[name](bench)) console.log(line);
    console.log("");
  }
}
