// Sandboxes from asking for one to the first output of a command in it, through our own SDK over the wire, beside a Docker Engine through its API
// and plain `runc run` of the same command on the same files, in the same run.
import { loadavg } from "node:os";
import type { LydianBench } from "./lydian.ts";
import { type LydianSandboxes, lydianSandboxes } from "./lydian-sandboxes.ts";
import { percentile, sequential } from "./measure.ts";
import { type DockerEngine, dockerEngine } from "./peers/docker-api.ts";
import { runcRunner } from "./peers/runc.ts";
import { mountRootfs } from "./rootfs.ts";
import { COMMAND, oneByOne, staggered } from "./sandbox-load.ts";

const TIMES = 40;
const BURST = 100;
const STAGGER_MS = 200;
const EXECS = 200;
const FREEZES = 50;

export async function sandboxes(bench: LydianBench): Promise<string[]> {
  const lydian = lydianSandboxes(bench);
  // The image is there from now on, and containers of it wait.
  await oneByOne(lydian, 3);
  const rootfs = await mountRootfs(bench.dataDir);
  try {
    await using docker = await dockerEngine(rootfs.path);
    await using runc = await runcRunner(rootfs.path, COMMAND);
    const before = loadavg()[0];
    bench.said();
    const one = {
      lydian: await oneByOne(lydian, TIMES),
      stages: stages(bench.said()),
      docker: await oneByOne(docker, TIMES),
      dockerRun: await sequential(TIMES, 2, () => docker.run(COMMAND)),
      runc: await sequential(TIMES, 2, () => runc.run()),
    };
    // Before the bursts: a Docker Engine takes a while to get over them.
    const execs = await measureExecs(lydian, docker);
    const freezes = await measureFreezes(lydian, docker);
    bench.said();
    const spread = { lydian: await staggered(lydian, TIMES, STAGGER_MS), docker: await staggered(docker, TIMES, STAGGER_MS) };
    const burst = {
      lydian: await staggered(lydian, BURST, 0),
      stages: stages(bench.said()),
      docker: await staggered(docker, BURST, 0),
      runc: await Promise.all(Array.from({ length: BURST }, () => timed(() => runc.run()))),
    };
    const ratio = (a: readonly number[], b: readonly number[], p: number) => (percentile(a, p) / percentile(b, p)).toFixed(2);
    return [
      "### Sandboxes: from asking for one to the first output of a command in it\n",
      "| | |",
      "|---|---|",
      `| Lydian, one after the other | ${spreadOf(one.lydian)} |`,
      `| ${docker.name}, one after the other: create, start, exec | ${spreadOf(one.docker)} |`,
      `| the same, as the container's own command: create, attach, start | ${spreadOf(one.dockerRun)} |`,
      `| ${runc.name} | ${spreadOf(one.runc)} |`,
      `| Lydian, one every ${STAGGER_MS} ms | ${spreadOf(spread.lydian)} |`,
      `| Docker, one every ${STAGGER_MS} ms | ${spreadOf(spread.docker)} |`,
      `| Lydian, ${BURST} at once | ${spreadOf(burst.lydian)} |`,
      `| Docker, ${BURST} at once | ${spreadOf(burst.docker)} |`,
      `| runc run, ${BURST} at once | ${spreadOf(burst.runc)} |`,
      `| exec in a sandbox that runs, to its exit code | Lydian ${spreadOf(execs.lydian)}; Docker ${spreadOf(execs.docker)} |`,
      `| freeze | Lydian ${spreadOf(freezes.lydian.pause)}; Docker ${spreadOf(freezes.docker.pause)} |`,
      `| thaw | Lydian ${spreadOf(freezes.lydian.unpause)}; Docker ${spreadOf(freezes.docker.unpause)} |`,
      `| exec in a frozen sandbox, to its exit code | Lydian ${spreadOf(freezes.exec)} |`,
      "",
      `One after the other, p50: Lydian ÷ Docker **${ratio(one.lydian, one.docker, 50)}** (bar: 0.15), ÷ Docker's own command ${ratio(one.lydian, one.dockerRun, 50)}, ÷ runc ${ratio(one.lydian, one.runc, 50)}.`,
      `${BURST} at once, p95: Lydian ÷ Docker **${ratio(burst.lydian, burst.docker, 95)}** (bar: 0.25), ÷ runc ${ratio(burst.lydian, burst.runc, 95)}.`,
      `Stages (p50): one after the other ${one.stages}; ${BURST} at once ${burst.stages}.`,
      `exec p50 ${percentile(execs.lydian, 50).toFixed(1)} ms (bar: 15); freeze and thaw p50 ${percentile(freezes.lydian.pause, 50).toFixed(1)} and ${percentile(freezes.lydian.unpause, 50).toFixed(1)} ms (bar: 20). Load of the machine before and after: ${before?.toFixed(1)}, ${loadavg()[0]?.toFixed(1)}.`,
    ];
  } finally {
    await rootfs.unmount();
  }
}

async function measureExecs(lydian: LydianSandboxes, docker: DockerEngine) {
  const [ours, theirs] = [await lydian.create(), await docker.create()];
  const result = {
    lydian: await sequential(EXECS, 10, async () => {
      const { exitCode } = await lydian.handle(ours).exec(COMMAND);
      if (exitCode !== 0) throw new Error(`exec ended with ${exitCode}`);
    }),
    docker: await sequential(EXECS / 4, 3, () => docker.exec(theirs, COMMAND)),
  };
  await Promise.all([lydian.remove(ours), docker.remove(theirs)]);
  return result;
}

async function measureFreezes(lydian: LydianSandboxes, docker: DockerEngine) {
  const [ours, theirs] = [await lydian.create(), await docker.create()];
  const sandbox = lydian.handle(ours);
  const result = {
    lydian: await pauses(
      () => sandbox.pause(),
      () => sandbox.resume(),
    ),
    docker: await pauses(
      () => docker.pause(theirs),
      () => docker.unpause(theirs),
    ),
    exec: [] as number[],
  };
  for (let i = 0; i < FREEZES; i++) {
    await sandbox.pause();
    result.exec.push(await timed(async () => sandbox.exec(COMMAND)));
  }
  await Promise.all([lydian.remove(ours), docker.remove(theirs)]);
  return result;
}

async function pauses(doPause: () => Promise<void>, doUnpause: () => Promise<void>) {
  const [pause, unpause]: [number[], number[]] = [[], []];
  for (let i = 0; i < FREEZES; i++) {
    pause.push(await timed(doPause));
    unpause.push(await timed(doUnpause));
  }
  return { pause, unpause };
}

/** What the server says of each start: "the sandbox sb-… runs: store 1.0 ms, …". */
function stages(said: readonly string[]): string {
  const byStage = new Map<string, number[]>();
  for (const line of said) {
    const [, list] = / the sandbox \S+ runs: (.*)$/.exec(line) ?? [];
    for (const [, name = "", ms] of list?.matchAll(/([a-z ]+) ([\d.]+) ms(?:, )?/g) ?? [])
      byStage.set(name, [...(byStage.get(name) ?? []), Number(ms)]);
  }
  return [...byStage].map(([name, ms]) => `${name.trim()} ${percentile(ms, 50).toFixed(1)} ms (n=${ms.length})`).join(", ");
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

const spreadOf = (ms: readonly number[]): string =>
  `p50 ${percentile(ms, 50).toFixed(1)} ms, p95 ${percentile(ms, 95).toFixed(1)} ms (n=${ms.length})`;
