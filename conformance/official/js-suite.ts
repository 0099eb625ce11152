// The tests of the official JavaScript SDK. npm has the SDK without them, so they come from its repository, which has no newer ones than
// of 0.9.0; they run against the package of npm, or against the sources beside them.
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cached, isCached } from "../cache.ts";
import { installJavaScript } from "../javascript/environment.ts";
import { runCommand } from "../run-command.ts";

/** Another place of the repository, for machines that do not reach GitHub. */
const REPOSITORY = process.env.LYDIAN_MODAL_CLIENT ?? "https://github.com/modal-labs/modal-client";
const COMMIT = "69519aef4cf6a3378314e3e7b91e87429490ed2a";
const NAME = "modal-js-suite";
const RECIPE = { commit: COMMIT, version: 1 };
const FILES_AT_ONCE = 4;
const LIMIT_MS = 60_000;
/** How the sources beside the suite are named as a version. */
export const OF_THE_SOURCES = "0.9.0";

export interface JsRun {
  /** Test → whether it has passed. */
  readonly passed: ReadonlyMap<string, boolean>;
  readonly output: string;
}

/** Whether the suite is here, or can be fetched. */
export const hasJsSuite = isCached(NAME, RECIPE) || spawnSync("git", ["ls-remote", REPOSITORY, "HEAD"], { timeout: 10_000 }).status === 0;
if (!hasJsSuite)
  console.warn(`The official JavaScript suite is skipped: ${REPOSITORY} cannot be reached (LYDIAN_MODAL_CLIENT may name a copy of it).`);

async function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, output } = await runCommand(command, args, { cwd, env: process.env });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
}

/** The suite, ready to run: for the first time this takes a minute. */
function fetchSuite(): Promise<string> {
  return cached(NAME, RECIPE, async (dir) => {
    await run("git", ["init", "-q"], dir);
    await run("git", ["fetch", "-q", "--depth", "1", REPOSITORY, COMMIT], dir);
    await run("git", ["checkout", "-q", COMMIT], dir);
    const js = join(dir, "js");
    await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], js);
    await generate(dir, js);
  });
}

/** What its own script does with a compiler that is not on npm. */
async function generate(dir: string, js: string): Promise<void> {
  const plugin = {
    local: join(js, "node_modules/.bin/protoc-gen-ts_proto"),
    out: "js/proto",
    include_imports: true,
    include_wkt: true,
    opt: ["outputServices=nice-grpc", "outputServices=generic-definitions", "useExactTypes=false", "useJsTypeOverride=true"],
  };
  const template = JSON.stringify({ version: "v2", plugins: [plugin] });
  const paths = ["api", "task_command_router"].flatMap((name) => ["--path", `modal_proto/${name}.proto`]);
  const buf = join(import.meta.dirname, "../../node_modules/.bin/buf");
  await run(buf, ["generate", ".", ...paths, "--template", template], dir);
  const api = join(js, "proto/modal_proto/api.ts");
  const text = await readFile(api, "utf8");
  // A message of that name hides what the code next to it means by it.
  await writeFile(api, text.replaceAll(/\bObject\b(?!\.entries)/g, "Object_"));
}

/** Runs these tests, and no others, of the suite with this version of the SDK. */
export async function runJsTests(version: string, names: readonly string[], env: NodeJS.ProcessEnv): Promise<JsRun> {
  const js = join(await fetchSuite(), "js");
  const published = version === OF_THE_SOURCES ? undefined : join(await installJavaScript(version), "node_modules/modal/dist/index.js");
  const dir = await mkdtemp(join(tmpdir(), "lydian-js-suite-"));
  try {
    const config = join(dir, "vitest.config.mjs");
    const results = join(dir, "results.json");
    const find = published === undefined ? "/^modal$/" : String.raw`/^(modal|\.\.\/src\/(client|errors))$/`;
    const alias = `[{ find: ${find}, replacement: ${JSON.stringify(published ?? join(js, "src/index.ts"))} }]`;
    const test = { root: js, maxWorkers: FILES_AT_ONCE, testTimeout: LIMIT_MS, hookTimeout: LIMIT_MS, include: ["test/*.test.ts"] };
    await writeFile(
      config,
      `export default { root: ${JSON.stringify(js)}, test: ${JSON.stringify(test)}, resolve: { alias: ${alias} } };\n`,
    );
    const words = names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const { output } = await runCommand(
      process.execPath,
      [
        join(js, "node_modules/vitest/vitest.mjs"),
        "run",
        ...["--config", config, "--reporter=json", "--reporter=verbose", `--outputFile.json=${results}`],
        ...["-t", `^(${words.join("|")})$`],
      ],
      { cwd: js, env: { ...env, MODAL_ENVIRONMENT: "libmodal" } },
    );
    return { passed: await readResults(results), output };
  } finally {
    await rm(dir, { recursive: true });
  }
}

interface Results {
  readonly testResults: readonly { readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[] }[];
}

async function readResults(path: string): Promise<Map<string, boolean>> {
  const { testResults } = JSON.parse(await readFile(path, "utf8")) as Results;
  const all = testResults.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status !== "skipped");
  return new Map(all.map(({ fullName, status }) => [fullName.trim(), status === "passed"]));
}
