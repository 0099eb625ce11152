// Functions of the official Python client: the first call with and without a warm interpreter, beside a plain `runc run` of the same
// interpreter with the same import; and what a warm call and a map cost the server.
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LydianBench } from "./lydian.ts";
import { percentile, summary } from "./measure.ts";
import { runcRun } from "./peers/runc.ts";
import { output, tempDir } from "./processes.ts";

const APP = join(dirname(fileURLToPath(import.meta.url)), "..", "apps", "python.py");
const CLIENT = "modal==1.6.4";
const IMPORT = ["env", "PYTHONPATH=/root:/pkg", "python3", "-u", "-c", "import modal._container_entrypoint; print(1)"];
const TIMES = 20;

interface Result {
  readonly with: number[];
  readonly without: number[];
  readonly calls: { readonly ms: number[]; readonly serverMs: number };
  readonly map: { readonly rate: number; readonly serverPercent: number };
}

export async function python(bench: LydianBench): Promise<string[]> {
  await using dir = await tempDir("bench-python-");
  await output("python3", "-m", "venv", dir.path);
  await output(join(dir.path, "bin/pip"), "install", "--quiet", CLIENT);
  const out = join(dir.path, "result.json");
  await bench.client(join(dir.path, "bin/modal"), ["run", "--quiet", APP], { BENCH_OUT: out, BENCH_SERVER_PID: String(bench.serverPid()) });
  const result = JSON.parse(await readFile(out, "utf8")) as Result;
  const rootfs = await mountRootfs(bench.dataDir);
  try {
    const runc = await runcRun(rootfs.path, IMPORT, TIMES);
    const [withWarm, without, plain] = [result.with, result.without, runc.ms].map((ms) => percentile(ms, 50)) as [number, number, number];
    return [
      "### Python: first call of a function with zero containers, through the official client\n",
      "| | |",
      "|---|---|",
      `| Lydian, a warm interpreter is ready | ${summary(result.with)} |`,
      `| Lydian, without one | ${summary(result.without)} |`,
      `| ${runc.name} of the same interpreter with the same import | ${summary(runc.ms)} |`,
      "",
      `With ÷ without: ${(withWarm / without).toFixed(2)} (bar: 0.35); without ÷ runc: ${(without / plain).toFixed(2)}.`,
      `Warm \`.remote()\`: ${summary(result.calls.ms)}; of these the server uses ${result.calls.serverMs.toFixed(1)} ms of processor time (bar: 3).`,
      `\`.map\` of 2,000, one container: ${result.map.rate.toFixed(0)}/s; the server uses ${result.map.serverPercent.toFixed(0)} % of a core (bar: 30).`,
    ];
  } finally {
    await rootfs.unmount();
  }
}

/** The image's Python with the client's package on top, put together for the peer. */
async function mountRootfs(dataDir: string): Promise<{ path: string; unmount(): Promise<void> }> {
  const layers = readdirSync(join(dataDir, "layers")).map((name) => join(dataDir, "layers", name));
  const client = layers.find((dir) => existsSync(join(dir, "pkg/modal")));
  const base = layers.find((dir) => existsSync(join(dir, "usr/bin/python3.11")) && existsSync(join(dir, "etc/debian_version")));
  if (!client || !base) throw new Error(`no layers of Python and its client in ${dataDir}`);
  const path = await mkdtemp(join(tmpdir(), "bench-rootfs-"));
  await output("mount", "-t", "overlay", "overlay", "-o", `lowerdir=${client}:${base}`, path);
  return {
    path,
    async unmount() {
      await output("umount", path);
      await rm(path, { recursive: true });
    },
  };
}
