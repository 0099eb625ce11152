import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { APPS, type RegisteredApp } from "@lydian/protocol";
import { build } from "esbuild";
import { bundleError } from "./bundle-error.ts";
import { installedPackages } from "./external-packages.ts";
import { SOURCE_CONDITIONS } from "./lydian-package.ts";
import { projectRoot } from "./project-root.ts";
import { userModules } from "./user-modules-plugin.ts";

/** What the entry of a user has registered, and what it exports. */
export interface LoadedEntry {
  readonly apps: readonly RegisteredApp[];
  readonly exports: Readonly<Record<string, unknown>>;
}

/** The apps that an entry registers; see `loadEntry`. */
export async function loadLocally(entry: string): Promise<readonly RegisteredApp[]> {
  return (await loadEntry(entry)).apps;
}

/**
 * Runs the user's entry in this process. TypeScript is compiled, packages are taken from where
 * they are installed, and stacks point into the sources. Throws what the module throws; code that does not compile throws LydianError
 * `invalid_argument` with file and line.
 */
export async function loadEntry(entry: string): Promise<LoadedEntry> {
  const file = resolve(entry);
  const root = projectRoot(file);
  // Package imports are absolute paths, so the module may lie outside the project, where neither git nor file watchers see it.
  const dir = await mkdtemp(join(tmpdir(), "lydian-run-"));
  const outfile = join(dir, "main.mjs");
  try {
    const { outputFiles } = await build({
      entryPoints: [file],
      absWorkingDir: root,
      outfile,
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      target: `node${process.versions.node}`,
      conditions: [...SOURCE_CONDITIONS],
      sourcemap: "inline",
      legalComments: "none",
      charset: "utf8",
      logLevel: "silent",
      banner: {
        js: 'import { createRequire as __lydianCreateRequire } from "node:module"; var require = __lydianCreateRequire(import.meta.url);',
      },
      plugins: [userModules({ root, remote: false }), installedPackages()],
    });
    for (const output of outputFiles) await writeFile(output.path, output.contents);
  } catch (failure) {
    await rm(dir, { recursive: true, force: true });
    throw bundleError(failure, root);
  }
  process.setSourceMapsEnabled(true);
  const before = new Set(registeredApps());
  try {
    const exports = (await import(/* @vite-ignore */ pathToFileURL(outfile).href)) as LoadedEntry["exports"];
    return { apps: registeredApps().filter((app) => !before.has(app)), exports };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function registeredApps(): readonly RegisteredApp[] {
  return ((globalThis as Record<symbol, unknown>)[APPS] as readonly RegisteredApp[] | undefined) ?? [];
}
