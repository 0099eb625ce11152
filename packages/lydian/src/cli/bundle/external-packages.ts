// Which packages stay outside: native ones in a container's bundle, all of them in the local one.
import { isBuiltin } from "node:module";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import type { Plugin } from "esbuild";
import { installedPackage, isBare, packageOf } from "./package-info.ts";

const ASKED = Symbol("resolved by this plugin");
const CODE = new Set([".js", ".mjs", ".cjs", ".node"]);

/** What a container's bundle needs from its image, filled while esbuild runs. */
export interface ExternalFindings {
  /** Every installed version that something imports, by package. */
  readonly versions: Map<string, Set<string>>;
  /** Imported dynamically or named by the user, but not installed here. */
  readonly missing: Set<string>;
}

/** Leaves native packages, and those named in `external`, to the image. */
export function imagePackages(external: readonly string[], findings: ExternalFindings): Plugin {
  const named = new Set(external);
  return {
    name: "lydian-image-packages",
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, async ({ path, resolveDir, importer, kind, namespace, pluginData }) => {
        if (pluginData !== undefined || namespace !== "file" || kind === "entry-point" || isBuiltin(path) || !isBare(path))
          return undefined;
        const name = packageOf(path);
        if (name === "lydian") return undefined;
        const installed = installedPackage(name, resolveDir);
        if (installed && (installed.native || named.has(name))) {
          const versions = findings.versions.get(name) ?? new Set();
          findings.versions.set(name, versions.add(installed.version));
          return { path, external: true };
        }
        if (installed) return undefined;
        if (!named.has(name) && kind !== "dynamic-import") return undefined;
        // An alias of the user's tsconfig looks like a package too.
        const resolved = await build.resolve(path, { resolveDir, importer, kind, pluginData: ASKED });
        if (resolved.errors.length === 0) return resolved;
        findings.missing.add(name);
        return { path, external: true };
      });
    },
  };
}

/**
 * Imports packages from where they are installed, by absolute path: so the bundle may lie anywhere, and each file of a monorepo gets the
 * versions it would get from Node.
 */
export function installedPackages(): Plugin {
  return {
    name: "lydian-installed-packages",
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, async ({ path, resolveDir, importer, kind, namespace, pluginData }) => {
        if (pluginData !== undefined || namespace !== "file" || kind === "entry-point" || isBuiltin(path) || !isBare(path))
          return undefined;
        const resolved = await build.resolve(path, { resolveDir, importer, kind, pluginData: ASKED });
        if (resolved.errors.length > 0) return kind === "dynamic-import" ? { path, external: true } : undefined;
        const { path: file } = resolved;
        if (!file.includes("/node_modules/") || resolved.external || !CODE.has(extname(file))) return resolved;
        return { path: kind === "require-call" || kind === "require-resolve" ? file : pathToFileURL(file).href, external: true };
      });
    },
  };
}
