// Finds the programs that run as processes of their own: each a file beside the bundle in an installed Lydian; from the sources, the TypeScript
// file compiled on the fly, because Node 20 does not run TypeScript.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCES = { launcher: "./main.ts", names: "../oci/names/main.ts" } as const;

/** Path of a program that `node` can run. `dir` receives the compiled file when there is no built one. */
export async function resolveProgram(name: keyof typeof SOURCES, dir: string): Promise<string> {
  const built = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  if (existsSync(built)) return built;
  const source = fileURLToPath(new URL(SOURCES[name], import.meta.url));
  if (!existsSync(source)) {
    throw new Error(`The program ${name} is missing: ${built} does not exist. Run \`npm run build\`, or reinstall lydian.`);
  }
  const { build } = await import("esbuild");
  const outfile = join(dir, `${name}.mjs`);
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
    // Bundled CommonJS packages ask for node: modules through require.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
  return outfile;
}
