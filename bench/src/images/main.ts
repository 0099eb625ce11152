// Our image builder beside BuildKit and buildah: the same Dockerfile, base and machine, in the same run. Stands alone:
//   npx esbuild bench/src/images/main.ts --bundle --platform=node --format=esm --target=node20 --outfile=bench/dist/images.mjs \
//     --banner:js='import{createRequire}from"node:module";const require=createRequire(import.meta.url);'
//   BENCH_BUILDKIT=<directory with buildkitd and buildctl> BENCH_LAUNCHER=packages/lydian/dist/launcher.js node bench/dist/images.mjs
// Needs root, docker-registry, skopeo, mmdebstrap, buildah and runc. Containers of ours are started by the launcher of the built package.
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { percentile } from "../measure.ts";
import { runcRun } from "../peers/runc.ts";
import { output } from "../processes.ts";
import { startBase } from "./base.ts";
import { buildah } from "./buildah.ts";
import type { Builder } from "./builder.ts";
import { buildkit } from "./buildkit.ts";
import { type Context, writeContext } from "./context.ts";
import { own } from "./own.ts";

interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

interface Result {
  readonly name: string;
  readonly cold: readonly Cost[];
  readonly cached: readonly Cost[];
  readonly changed: readonly Cost[];
  readonly start: readonly Cost[];
  readonly mib: number;
}

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 2);
const REBUILDS = 5;
const TICKS = 100;

const dir = await mkdtemp("/var/tmp/bench-images-");
try {
  await using base = await startBase(join(dir, "registry"));
  const programs = process.env.BENCH_BUILDKIT;
  const builders: ((at: string) => Promise<Builder>)[] = [
    own,
    ...(programs ? [(at: string) => buildkit(at, programs, base.host)] : []),
    buildah,
  ];
  if (!programs) console.log("skipped: BuildKit (BENCH_BUILDKIT names no directory)\n");
  const results = new Map<string, Result[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, make] of builders.entries()) {
      const at = join(dir, `builder-${round}-${index}`);
      await mkdir(at);
      const result = await measure(await make(at), base.image);
      results.set(result.name, [...(results.get(result.name) ?? []), result]);
      console.error(JSON.stringify(result));
    }
  }
  report([...results.values()]);
} finally {
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}

async function measure(builder: Builder, image: string): Promise<Result> {
  await using used = builder;
  const contexts = join(used.store, "..", "contexts");
  const context = await writeContext(join(contexts, "0"), image, "0");
  const cold = await cost(() => used.build(context));
  const cached: Cost[] = [];
  for (let i = 0; i < REBUILDS; i++) cached.push(await cost(() => used.build(context)));
  const changed: Cost[] = [];
  const start: Cost[] = [];
  let last: Context = context;
  for (let i = 1; i <= REBUILDS; i++) {
    last = await writeContext(join(contexts, String(i)), image, String(i));
    const next = last;
    changed.push(await cost(() => used.build(next)));
    start.push(await cost(() => used.withRootfs(next, (rootfs) => runcRun(rootfs, ["/bin/true"], 1, 0))));
  }
  const mib = Number((await output("du", "-sxm", used.store)).split("\t")[0]);
  return { name: used.name, cold: [cold], cached, changed, start, mib };
}

/** Wall time, and processor time of this process and all that it started. */
async function cost(run: () => Promise<unknown>): Promise<Cost> {
  const cpuBefore = treeSeconds();
  const before = performance.now();
  await run();
  return { seconds: (performance.now() - before) / 1000, cpuSeconds: treeSeconds() - cpuBefore };
}

/** Processor seconds of a process, of those that descend from it and live, and of those that these have waited for. */
function treeSeconds(): number {
  const stats = readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat
        .slice(stat.lastIndexOf(")") + 2)
        .split(" ")
        .map(Number);
      const [utime = 0, stime = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11, 15);
      return [{ pid: Number(pid), parent: fields[1] ?? 0, ticks: utime + stime + childrenUser + childrenSystem }];
    } catch {
      return [];
    }
  });
  const ofTree = new Set([process.pid]);
  for (let size = 0; size < ofTree.size; ) {
    size = ofTree.size;
    for (const { pid, parent } of stats) if (ofTree.has(parent)) ofTree.add(pid);
  }
  return stats.reduce((sum, { pid, ticks }) => sum + (ofTree.has(pid) ? ticks : 0), 0) / TICKS;
}

function report(all: readonly (readonly Result[])[]): void {
  const median = (results: readonly Result[], what: "cold" | "cached" | "changed" | "start"): Cost => {
    const costs = results.flatMap((result) => result[what]);
    const of = (key: keyof Cost) =>
      percentile(
        costs.map((one) => one[key]),
        50,
      );
    return { seconds: of("seconds"), cpuSeconds: of("cpuSeconds") };
  };
  const [ours = []] = all;
  const cell = (results: readonly Result[], what: "cold" | "cached" | "changed" | "start"): string => {
    const { seconds, cpuSeconds } = median(results, what);
    const ratio = results === ours ? "" : ` (${(seconds / median(ours, what).seconds).toFixed(1)} ×)`;
    return `${seconds.toFixed(2)} s${ratio}, cpu ${cpuSeconds.toFixed(2)} s`;
  };
  console.log("| | cold, with the pull of the base | nothing changed | last step changed | until a container of it has run | disk |");
  console.log("|---|---|---|---|---|---|");
  for (const results of all) {
    const cells = (["cold", "cached", "changed", "start"] as const).map((what) => cell(results, what));
    console.log(`| ${results[0]?.name} | ${cells.join(" | ")} | ${results[0]?.mib} MiB |`);
  }
}
