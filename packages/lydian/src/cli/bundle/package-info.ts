import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ancestors } from "./project-root.ts";

export interface PackageInfo {
  readonly name: string;
  readonly version: string;
  readonly native: boolean;
}

/** `sharp` of "sharp/lib/x", `@scope/name` of "@scope/name/x". */
export function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** A package name or a path in one; not relative, absolute, a subpath import or a URL. */
export function isBare(specifier: string): boolean {
  return /^(?:@[\w.-]+\/)?[\w-][\w.-]*(?:\/|$)/.test(specifier);
}

/** The package as it is installed for a file in `dir`; undefined when it is not. */
export function installedPackage(name: string, dir: string): PackageInfo | undefined {
  for (const at of ancestors(dir)) {
    const root = join(at, "node_modules", name);
    if (existsSync(join(root, "package.json"))) return readPackage(root, name);
  }
  return undefined;
}

const known = new Map<string, PackageInfo>();

function readPackage(root: string, name: string): PackageInfo {
  const cached = known.get(root);
  if (cached) return cached;
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
  const info = { name, version: manifest.version ?? "*", native: isNative(root, name, manifest) };
  known.set(root, info);
  return info;
}

interface Manifest {
  readonly version?: string;
  readonly gypfile?: boolean;
  readonly binary?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** What loads its native part, or finds the file that was downloaded for this platform. */
const NATIVE_LOADERS = [
  "node-gyp-build",
  "bindings",
  "@mapbox/node-pre-gyp",
  "node-pre-gyp",
  "prebuild-install",
  "node-addon-api",
  "@neon-rs/load",
  "nan",
];
const PLATFORM_PACKAGE = /(?:^|[-/])(?:linux|linuxmusl|darwin|win32|freebsd|android)(?:-|$)/;
/** Pure JavaScript that starts workers or loads files by paths of its own, which a bundle does not have. */
const UNBUNDLABLE = new Set(["pino", "thread-stream", "@prisma/client", "prisma", "playwright", "playwright-core", "puppeteer", "jsdom"]);

/** Code for one platform cannot be bundled: it is installed in the image, for the image's platform. */
function isNative(root: string, name: string, { gypfile, binary, dependencies = {}, optionalDependencies = {} }: Manifest): boolean {
  return (
    UNBUNDLABLE.has(name) ||
    gypfile === true ||
    binary !== undefined ||
    NATIVE_LOADERS.some((loader) => loader in dependencies) ||
    Object.keys(optionalDependencies).some((dependency) => PLATFORM_PACKAGE.test(dependency)) ||
    existsSync(join(root, "binding.gyp")) ||
    existsSync(join(root, "prebuilds"))
  );
}
