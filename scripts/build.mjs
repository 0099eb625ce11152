// Builds packages/lydian/dist, everything that is published and that ./lydian runs:
//
//   cli.js + chunks       the command line; the server and the bundler are chunks that load when they are needed
//   index.js + chunks     the SDK
//   launcher.js           the process of the container host that starts containers
//   names.js              the name server of containers that may reach certain domains only
//   runtime/runtime.mjs   what runs inside a container of a TypeScript function
//   runtime/boot.py       what runs before the official client in a container of a Python function
//   lydian-host           what the container host does with mount namespaces: the same
//   lydian-agent          what works inside sandboxes for the server: compiled from C, when there is a compiler
//   build.json            an id of the content, and what it was made from
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { buildAgent } from "./setup/agent.mjs";
import { recordBuild } from "./setup/build-state.mjs";
import { SetupError } from "./setup/report.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST = join(ROOT, "packages/lydian/dist");
const CHUNK = /-[A-Z0-9]{8}\.js(\.map)?$/;
const CHUNK_LIFE_MS = 24 * 3_600_000;

const shared = {
  absWorkingDir: ROOT,
  bundle: true,
  write: false,
  metafile: true,
  platform: "node",
  format: "esm",
  target: "node20",
  conditions: ["lydian-source"],
  // Native code: these stay packages of their own.
  external: ["libsql", "esbuild", "oxc-parser"],
  loader: { ".sql": "text" },
  sourcemap: "linked",
  logLevel: "silent",
  // Bundled CommonJS packages ask for node: modules through require.
  banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
};

const TARGETS = [
  { entryPoints: { cli: "packages/lydian/src/cli/main.ts" }, outdir: DIST, splitting: true, chunkNames: "[name]-[hash]" },
  // Split, so that what talks to the network stays a chunk of its own in the bundles of users.
  {
    entryPoints: { index: "packages/lydian/src/index.ts" },
    outdir: DIST,
    banner: {},
    splitting: true,
    chunkNames: "chunk-sdk-[name]-[hash]",
  },
  { entryPoints: { launcher: "packages/containers/src/launcher/main.ts" }, outdir: DIST },
  { entryPoints: { names: "packages/containers/src/oci/names/main.ts" }, outdir: DIST },
  { entryPoints: { runtime: "packages/runtime/src/main.ts" }, outdir: join(DIST, "runtime"), outExtension: { ".js": ".mjs" } },
  { entryPoints: { boot: "packages/runtime/python/boot.py" }, outdir: join(DIST, "runtime"), loader: { ".py": "copy" }, banner: {} },
];

/** Builds all targets or none. Throws SetupError with esbuild's messages. */
export async function build() {
  const started = Date.now();
  const results = await Promise.all(TARGETS.map((target) => esbuild.build({ ...shared, ...target }).catch((error) => error)));
  const errors = results.flatMap((result) => (result instanceof Error ? (result.errors ?? [{ text: result.message }]) : []));
  if (errors.length > 0) {
    const text = await esbuild.formatMessages(errors, { kind: "error", color: process.stderr.isTTY });
    throw new SetupError(`the build failed.\n${text.join("\n")}`);
  }
  const outputs = results.flatMap((result) => result.outputFiles);
  write(outputs);
  removeOldChunks(new Set(outputs.map((output) => output.path)));
  const hash = createHash("sha256");
  for (const output of outputs) hash.update(output.path).update(output.hash);
  const agentInputs = buildAgent(ROOT);
  recordBuild(ROOT, hash.digest("hex").slice(0, 16), [...inputsOf(results), ...agentInputs, "scripts/build.mjs"], started);
  return { ms: Date.now() - started };
}

/** Chunks before the entries that name them, each file by rename: a CLI that starts meanwhile finds old or new, never a mixture. */
function write(outputs) {
  const isEntry = (output) => !CHUNK.test(basename(output.path));
  const ordered = [...outputs].sort((a, b) => Number(isEntry(a)) - Number(isEntry(b)));
  for (const output of ordered) {
    mkdirSync(dirname(output.path), { recursive: true });
    const draft = `${output.path}.${process.pid}`;
    writeFileSync(draft, output.contents);
    renameSync(draft, output.path);
  }
}

/** A process of an older build may still load its chunks: they stay for a day. */
function removeOldChunks(current) {
  for (const name of readdirSync(DIST)) {
    const path = join(DIST, name);
    if (!CHUNK.test(name) || current.has(path)) continue;
    if (Date.now() - statSync(path).mtimeMs > CHUNK_LIFE_MS) rmSync(path, { force: true });
  }
}

/** Our own files that went in. Packages are pinned by the lock file, which set-up checks by itself. */
function inputsOf(results) {
  const paths = results.flatMap((result) => Object.keys(result.metafile.inputs));
  return [...new Set(paths)].filter((path) => !path.includes("node_modules/")).map((path) => relative(ROOT, join(ROOT, path)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { ms } = await build();
    process.stdout.write(`built ${relative(process.cwd(), DIST)} in ${ms} ms\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
    process.exitCode = 1;
  }
}
