// Plain `runc run` with the configuration that `runc spec` writes: the floor under every OCI-based system.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sequential } from "../measure.ts";
import { output } from "../processes.ts";

interface OciConfig {
  process: { args: string[]; terminal: boolean };
  root: { path: string; readonly: boolean };
}

/** Milliseconds from `runc run` to its end. */
export async function runcRun(
  rootfs: string,
  command: readonly string[],
  times: number,
  warmUp = 2,
): Promise<{ name: string; ms: number[] }> {
  const bundle = await mkdtemp(join(tmpdir(), "bench-runc-"));
  try {
    await mkdir(bundle, { recursive: true });
    await output("runc", "spec", "--bundle", bundle);
    const path = join(bundle, "config.json");
    const config = JSON.parse(await readFile(path, "utf8")) as OciConfig;
    config.process.args = [...command];
    config.process.terminal = false;
    config.root = { path: rootfs, readonly: true };
    await writeFile(path, JSON.stringify(config));
    const ms = await sequential(times, warmUp, (i) => output("runc", "run", "--bundle", bundle, `bench-${process.pid}-${i}`));
    return { name: `runc run (${(await output("runc", "--version")).split("\n")[0]})`, ms };
  } finally {
    await rm(bundle, { recursive: true, force: true });
  }
}
