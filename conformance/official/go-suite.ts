// The official Go SDK's own suite: fetched through Go's proxy, compiled once, run by the names of its tests.
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "../cache.ts";
import { goEnvironment } from "../go/environment.ts";
import { runCommand } from "../run-command.ts";

const MODULE = "github.com/modal-labs/modal-client/go";
/** Tests at once: more only wait for each other's containers. */
const PARALLEL = 4;
/** After which a test that hangs ends the whole run, with the stacks of all that wait. */
const LIMIT = "240s";

export interface GoRun {
  /** By test: whether it has passed. A test without a result is not in it. */
  readonly passed: ReadonlyMap<string, boolean>;
  /** 0 when all have passed and nothing was left open. */
  readonly code: number | null;
  readonly output: string;
}

async function go(args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, output } = await runCommand("go", args, { cwd, env: goEnvironment });
  if (code !== 0) throw new Error(`go ${args.join(" ")} failed:\n${output}`);
  return stdout;
}

/** The tests of a package of the SDK ("." is the SDK itself), compiled: for the first time this takes a minute. `tag`: with those behind it. */
export async function compileGoTests(version: string, packagePath: string, tag?: string): Promise<string> {
  const dir = await cached(`modal-go-suite-${version}`, { packagePath, tag }, async (target) => {
    const found = JSON.parse(await go(["mod", "download", "-json", `${MODULE}@v${version}`], target)) as { Dir: string };
    const source = join(target, "source");
    // In the module cache nothing can be written, not even a go.sum that lacks a line.
    await cp(found.Dir, source, { recursive: true });
    await runCommand("chmod", ["-R", "u+w", source], { env: process.env });
    const tags = tag === undefined ? [] : ["-tags", tag];
    await go(["test", "-c", ...tags, "-o", join(target, "tests"), packagePath], source);
    await rm(source, { recursive: true });
  });
  return join(dir, "tests");
}

/** Runs these tests, and no others, in one process. */
export async function runGoTests(
  program: string,
  names: readonly string[],
  env: NodeJS.ProcessEnv,
  { parallel = PARALLEL } = {},
): Promise<GoRun> {
  const flags = ["-test.v", `-test.parallel=${parallel}`, `-test.timeout=${LIMIT}`, `-test.run=^(${names.join("|")})$`];
  const { code, output } = await runCommand(program, flags, { env });
  const results = output.matchAll(/^--- (PASS|FAIL|SKIP): (\w+) /gm);
  return { passed: new Map([...results].map(([, result, name = ""]) => [name, result === "PASS"])), code, output };
}
