// Finds the launcher program: a file beside the bundle in an installed Lydian; from the sources, the TypeScript
// file compiled on the fly, because Node 20 does not run TypeScript.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Path of a program that `node` can run. `dir` receives the compiled file when there is no built one. */
export async function resolveProgram(dir: string): Promise<string> {
  const built = fileURLToPath(new URL("./launcher.js", import.meta.url));
  if (existsSync(built)) return built;
  const source = fileURLToPath(new URL("./main.ts", import.meta.url));
  if (!existsSync(source)) {
    throw new Error(`The launcher program is missing: ${built} does not exist. Run \`npm run build\`, or reinstall lydian.`);
  }
  const { build } = await import("esbuild");
  const outfile = join(dir, "launcher.mjs");
  await build({ entryPoints: [source], outfile, bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "error" });
  return outfile;
}
