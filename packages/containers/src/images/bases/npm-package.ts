// Packages of the npm registry as layers' content. The machine's own npm fetches them, because only it knows the
// registry, proxy, certificates and credentials that are configured there.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createGunzip } from "node:zlib";
import { unpackTar } from "../archive/unpack.ts";
import { ImageError } from "../errors.ts";
import { runHostCommand } from "../host-command.ts";
import { newestVersion } from "./node-version.ts";

export interface NpmOptions {
  /** Absent: what npm is configured to use. */
  readonly registry?: string;
  readonly signal?: AbortSignal;
}

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** `sha512-…` from the registry's own description of the package. */
  readonly integrity: string;
}

const TIMEOUT_MS = 300_000;

/** Finds the newest release of a package that begins with `wanted`. */
export async function resolveNpmPackage(name: string, wanted: string, options: NpmOptions): Promise<NpmPackage> {
  const versions = parseList(await npm(["view", name, "versions", "--json"], options));
  const version = newestVersion(wanted, versions);
  if (version === undefined) {
    throw new ImageError(
      "invalid",
      `The npm registry has no release ${wanted} of ${name}; the newest is ${newestOf(versions) ?? "none at all"}.`,
    );
  }
  const [integrity = ""] = parseList(await npm(["view", `${name}@${version}`, "dist.integrity", "--json"], options));
  if (!integrity.startsWith("sha512-"))
    throw new ImageError("corrupt", `The npm registry gives no sha512 for ${name}@${version}; it cannot be verified.`);
  return { name, version, integrity };
}

/** Fetches, verifies and unpacks a package below `into`, which is created. `scratch` is a private directory. */
export async function unpackNpmPackage(
  source: NpmPackage,
  into: string,
  scratch: string,
  options: NpmOptions & { accept?: (path: string) => boolean },
): Promise<void> {
  const download = join(scratch, `download-${source.name}`);
  await mkdir(download, { recursive: true });
  await npm(["pack", `${source.name}@${source.version}`, `--pack-destination=${download}`, "--ignore-scripts"], options);
  const [file] = (await readdir(download)).filter((name) => name.endsWith(".tgz"));
  if (file === undefined) throw new ImageError("unreachable", `npm pack ${source.name}@${source.version} left no file.`);
  const archive = join(download, file);
  const hash = createHash("sha512");
  for await (const chunk of createReadStream(archive)) hash.update(chunk as Buffer);
  if (!source.integrity.split(/\s+/).includes(`sha512-${hash.digest("base64")}`)) {
    throw new ImageError("corrupt", `${source.name}@${source.version} is not what the npm registry describes: its sha512 differs.`);
  }
  await mkdir(into, { recursive: true });
  await unpackTar(createReadStream(archive).pipe(createGunzip()), {
    into,
    strip: 1,
    ...(options.accept === undefined ? {} : { accept: options.accept }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  await rm(download, { recursive: true, force: true });
}

/** The registry that npm on this machine is configured to use; undefined when that is the public one, or npm is missing. */
export async function configuredNpmRegistry(): Promise<string | undefined> {
  const registry = (await npm(["config", "get", "registry"], {}).catch(() => "")).trim();
  return /^https?:\/\//.test(registry) && !/^https:\/\/registry\.npmjs\.org\/?$/.test(registry) ? registry : undefined;
}

async function npm(args: readonly string[], options: NpmOptions): Promise<string> {
  // npm looks for project settings from the working directory upwards; those of whoever started us must not matter.
  const beside = join(dirname(process.execPath), "npm");
  const registry = options.registry === undefined ? [] : [`--registry=${options.registry}`];
  const run = (program: string) =>
    runHostCommand(program, [...args, ...registry, "--loglevel=error", "--fetch-timeout=60000"], {
      cwd: "/",
      timeoutMs: TIMEOUT_MS,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  try {
    return await run(beside);
  } catch (error) {
    if (error instanceof ImageError && error.kind === "unsupported") return run("npm");
    throw error;
  }
}

function parseList(json: string): readonly string[] {
  const value: unknown = json.trim() === "" ? [] : JSON.parse(json);
  return (Array.isArray(value) ? value : [value]).filter((item): item is string => typeof item === "string");
}

function newestOf(versions: readonly string[]): string | undefined {
  const majors = [...new Set(versions.map((version) => version.split(".", 1)[0] ?? ""))].sort((a, b) => Number(a) - Number(b));
  return majors.length === 0 ? undefined : newestVersion(majors.at(-1) ?? "", versions);
}
