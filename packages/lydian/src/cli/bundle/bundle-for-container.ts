import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import { type BuildResult, build } from "esbuild";
import type { Bundle, BundleFile } from "../../run/bundle.ts";
import { collectAssets } from "./assets.ts";
import { bundleError, describeMessage } from "./bundle-error.ts";
import { type ExternalFindings, imagePackages } from "./external-packages.ts";
import { isLydianFile, SOURCE_CONDITIONS } from "./lydian-package.ts";
import { isBare, packageOf } from "./package-info.ts";
import { SOURCE_DIR } from "./place.ts";
import { projectRoot } from "./project-root.ts";
import { userModules } from "./user-modules-plugin.ts";

export interface ContainerBundleOptions {
  /** Packages left to the image, on top of those with native code. */
  readonly external?: readonly string[];
  /** Patterns of files to bring along, relative to the entry's directory. */
  readonly assets?: readonly string[];
}

const APP_DIR = "/app";
/** Syntax that it does not know is lowered: the functions of one app may run in images with different versions, and there is one bundle. */
const OLDEST_NODE = "node20";
const CODE_MODE = 0o644;

/** What CommonJS code inside the bundle expects to find. `define` renames the free uses, so that a module's own `__dirname` stays its own. */
const BANNER = [
  'import { createRequire as __lydianCreateRequire } from "node:module";',
  "var require = __lydianCreateRequire(import.meta.url);",
  `var __lydianCjsDirname = "${APP_DIR}", __lydianCjsFilename = "${APP_DIR}/main.mjs";`,
].join(" ");

/**
 * Everything the entry imports, as it will lie in the container under /app. The same project gives the same hash.
 * Throws LydianError `invalid_argument` with file, line and text of what esbuild refuses.
 */
export async function bundleForContainer(entry: string, options: ContainerBundleOptions = {}): Promise<Bundle> {
  const file = resolve(entry);
  const root = projectRoot(file);
  const findings: ExternalFindings = { versions: new Map(), missing: new Set() };
  const result = await build({
    entryPoints: { main: file },
    absWorkingDir: root,
    outdir: root, // Nothing is written there: sources in the maps become relative to it.
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunk-[hash]",
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "node",
    target: OLDEST_NODE,
    conditions: ["lydian", "module", ...SOURCE_CONDITIONS],
    sourcemap: "external",
    legalComments: "none",
    charset: "utf8",
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: false,
    logLevel: "silent",
    banner: { js: BANNER },
    define: {
      "process.env.LYDIAN_IS_REMOTE": '"1"',
      __dirname: "__lydianCjsDirname",
      __filename: "__lydianCjsFilename",
    },
    plugins: [userModules({ root, remote: true }), imagePackages(options.external ?? [], findings)],
  }).catch((failure: unknown) => {
    throw bundleError(failure, root);
  });
  const files = new Map<string, BundleFile>();
  for (const output of result.outputFiles) {
    const path = `${APP_DIR}/${relative(root, output.path).split(sep).join("/")}`;
    files.set(path, { data: path.endsWith(".map") ? leanMap(output.contents) : output.contents, mode: CODE_MODE });
  }
  const assets = collectAssets(options.assets ?? [], { base: dirname(file), root });
  for (const [path, asset] of assets) files.set(path, asset);
  const packages = packagesFor(result, findings);
  const warnings = [...result.warnings.map((warning) => describeMessage(warning, root)), ...packages.warnings];
  return {
    files,
    hash: hashOf(files),
    entry: "/app/main.mjs",
    nativePackages: packages.native,
    sources: [...sourcesOf(result, root), ...[...assets.keys()].map((path) => resolve(root, relative(SOURCE_DIR, path)))],
    warnings: [...new Set(warnings)],
  };
}

function sourcesOf({ metafile }: BuildResult<{ metafile: true }>, root: string): string[] {
  const inputs = Object.keys(metafile.inputs).map((path) => resolve(root, path));
  return inputs.filter((path) => !path.includes("/node_modules/") && !isLydianFile(path) && existsSync(path));
}

/** Sources of packages are left out: stacks need their lines, nobody needs their text in a container. */
function leanMap(contents: Uint8Array): Uint8Array {
  const map = JSON.parse(Buffer.from(contents).toString()) as { sources: string[]; sourcesContent?: (string | null)[] };
  map.sourcesContent = map.sources.map((source, index) =>
    source.includes("node_modules/") ? null : (map.sourcesContent?.[index] ?? null),
  );
  return Buffer.from(JSON.stringify(map));
}

/** Only what the output still imports: the rest was shaken off. */
function packagesFor({ metafile }: BuildResult<{ metafile: true }>, { versions, missing }: ExternalFindings) {
  const used = new Set<string>();
  for (const output of Object.values(metafile.outputs)) {
    for (const { path, external } of output.imports) if (external && isBare(path)) used.add(packageOf(path));
  }
  const native: Record<string, string> = {};
  const warnings: string[] = [];
  for (const name of [...used].sort()) {
    const [first, ...others] = [...(versions.get(name) ?? [])].sort();
    if (first !== undefined) native[name] = first;
    if (others.length > 0) {
      warnings.push(`${name} is installed here as ${[first, ...others].join(" and ")}; the image can have one and gets ${first}.`);
    }
    if (first === undefined && missing.has(name)) {
      warnings.push(`${name} is not installed here, so it is not bundled: the image of each function that imports it must have it.`);
    }
  }
  return { native, warnings };
}

function hashOf(files: ReadonlyMap<string, BundleFile>): string {
  const hash = createHash("sha256");
  for (const [path, { data, mode }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${mode}\0${data.byteLength}\0`).update(data);
  }
  return hash.digest("hex");
}
