// Builds the benchmarks with esbuild (from the repository's own dependencies) and runs them: node bench/run.mjs [name…]
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const sh = (command, args) => {
  const { status } = spawnSync(command, args, { cwd: here, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
};
if (!existsSync(join(here, "node_modules"))) sh("npm", ["ci", "--no-workspaces", "--no-audit", "--no-fund"]);
const outfile = join(here, "dist", "main.mjs");
await build({
  entryPoints: [join(here, "src/main.ts")],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  packages: "external",
  logLevel: "error",
});
sh(process.execPath, ["--enable-source-maps", outfile, ...process.argv.slice(2)]);
