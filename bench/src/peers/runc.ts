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

export interface RuncRunner extends AsyncDisposable {
  readonly name: string;
  /** Resolves when the command has ended. */
  run(): Promise<string>;
}

export async function runcRunner(rootfs: string, command: readonly string[]): Promise<RuncRunner> {
  const bundle = await mkdtemp(join(tmpdir(), "bench-runc-"));
  await mkdir(bundle, { recursive: true });
  await output("runc", "spec", "--bundle", bundle);
  const path = join(bundle, "config.json");
  const config = JSON.parse(await readFile(path, "utf8")) as OciConfig;
  config.process.args = [...command];
  config.process.terminal = false;
  config.root = { path: rootfs, readonly: true };
  await writeFile(path, JSON.stringify(config));
  let next = 0;
  return {
    name: `runc run (${(await output("runc", "--version")).split("\n")[0]})`,
    run: () => output("runc", "run", "--bundle", bundle, `bench-${process.pid}-${next++}`),
    [Symbol.asyncDispose]: () => rm(bundle, { recursive: true, force: true }),
  };
}

/** Milliseconds from `runc run` to its end. */
export async function runcRun(
  rootfs: string,
  command: readonly string[],
  times: number,
  warmUp = 2,
): Promise<{ name: string; ms: number[] }> {
  await using runner = await runcRunner(rootfs, command);
  return { name: runner.name, ms: await sequential(times, warmUp, () => runner.run()) };
}
