// First call of a function that has no container, image present, beside `docker run` and plain `runc run` of the same script.
import { join } from "node:path";
import type { LydianBench } from "./lydian.ts";
import { percentile, sequential, summary } from "./measure.ts";
import { dockerRun } from "./peers/docker.ts";
import { runcRun } from "./peers/runc.ts";
import { output } from "./processes.ts";
import { mountRootfs } from "./rootfs.ts";

const SCRIPT = ["node", "-e", "console.log(1)"];
const TIMES = 20;

interface Started {
  readonly started?: readonly { readonly stageMs?: Readonly<Record<string, number>> }[];
}

export async function coldStart(bench: LydianBench): Promise<string[]> {
  const standby = await bench.run<{ ms: number[] }>("cold-start", { BENCH_PAUSE_MS: "1500" });
  const burst = await bench.run<{ ms: number[] }>("cold-start");
  const rootfs = await mountRootfs(bench.dataDir);
  try {
    const docker = await dockerRun(rootfs.path, SCRIPT, TIMES);
    const runc = await runcRun(rootfs.path, SCRIPT, TIMES);
    const node = await sequential(TIMES, 2, () => output(join(rootfs.path, "usr/local/bin/node"), ...SCRIPT.slice(1)));
    const p50 = (ms: readonly number[]) => percentile(ms, 50);
    const ratio = (a: number, b: number) => (a / b).toFixed(2);
    return [
      "### Cold start: first call of a function with zero containers, image present\n",
      "| | |",
      "|---|---|",
      `| Lydian, a standby container of the image is ready | ${summary(standby.result.ms)} |`,
      `| Lydian, one cold start right after the other | ${summary(burst.result.ms)} |`,
      `| ${docker.name} | ${summary(docker.ms)} |`,
      `| ${runc.name} | ${summary(runc.ms)} |`,
      `| the same script without a container | ${summary(node)} |`,
      "",
      `Lydian ÷ docker: ${ratio(p50(standby.result.ms), p50(docker.ms))} with a standby container, ${ratio(p50(burst.result.ms), p50(docker.ms))} one after the other (bar: 0.5).`,
      `Beyond plain runc with Node's own start: ${(p50(standby.result.ms) - p50(runc.ms)).toFixed(0)} ms with a standby container, ${(p50(burst.result.ms) - p50(runc.ms)).toFixed(0)} ms one after the other (bar: 60).`,
      `Stages (p50 ms): ${stages(standby.events)}; one after the other: ${stages(burst.events)}.`,
    ];
  } finally {
    await rootfs.unmount();
  }
}

function stages(events: readonly Record<string, unknown>[]): string {
  const byStage = new Map<string, number[]>();
  for (const event of events as readonly Started[]) {
    for (const { stageMs } of event.started ?? [])
      for (const [stage, ms] of Object.entries(stageMs ?? {})) byStage.set(stage, [...(byStage.get(stage) ?? []), ms]);
  }
  return ["queue", "create", "boot", "import"].map((stage) => `${stage} ${percentile(byStage.get(stage) ?? [], 50).toFixed(0)}`).join(", ");
}
