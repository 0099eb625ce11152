// A standalone CPython as an image of one layer, from which `add_python` copies: the very build from where it is released, else one of
// the same minor version from a package proxy, completed with pip.
import { lstat, mkdir, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unzipFiles } from "../../archive/unzip.ts";
import { ImageError } from "../../errors.ts";
import { type BuiltImage, DEFAULT_PATH, type OnBuildLog } from "../../image.ts";
import { layerKey } from "../../keys.ts";
import type { LayerStore } from "../../layer-store.ts";
import { compareVersions } from "../node-version.ts";
import { fetchWheel, listWheels, type Wheel } from "../pypi.ts";
import { hasPythonLink, minorOf, type StandaloneBuild } from "./build.ts";
import { embeddedBuild, unpackEmbedded } from "./go-module.ts";
import { MIRROR_VARIABLE, releasesUrl, unpackRelease } from "./releases.ts";

/** Raise when the same build gives another layer. */
const RECIPE_VERSION = 1;
/** Releases for Python before 3.12 have it too. */
const SETUPTOOLS_UNTIL = 12;

/** The image of a build, or of what stands for it. Throws ImageError "unreachable" that says what was tried and what helps. */
export async function standalonePython(
  build: StandaloneBuild,
  store: LayerStore,
  options: { onLog: OnBuildLog; signal?: AbortSignal },
): Promise<BuiltImage> {
  const { onLog, signal } = options;
  const id = layerKey({ kind: "standalone-python", version: RECIPE_VERSION, build: { ...build }, arch: process.arch });
  const make = async (target: string, layerSignal: AbortSignal): Promise<void> => {
    const scratch = dirname(target);
    await mkdir(target, { mode: 0o755 });
    await unpackBuild(build, target, scratch, onLog, layerSignal);
    const link = join(target, "python/bin/python");
    if (!hasPythonLink(build)) await rm(link, { force: true });
    else if (
      await lstat(link).then(
        () => false,
        () => true,
      )
    )
      await symlink("python3", link);
  };
  await store.make(id, make, signal === undefined ? {} : { signal });
  return { layers: [id], config: { env: { PATH: DEFAULT_PATH } } };
}

async function unpackBuild(build: StandaloneBuild, target: string, scratch: string, onLog: OnBuildLog, signal: AbortSignal): Promise<void> {
  const releases = releasesUrl();
  const wanted = `CPython ${build.version}${build.freeThreaded ? " without its lock" : ""} of ${build.release}`;
  onLog({ stream: "info", text: `Fetching ${wanted} from ${new URL(releases).host}.` });
  const tried: string[] = [];
  try {
    return await unpackRelease(build, target, scratch, signal);
  } catch (error) {
    if (!(error instanceof ImageError) || error.kind !== "unreachable") throw error;
    tried.push(endless(error.message));
  }
  const embedded = embeddedBuild(build);
  if (embedded === undefined) {
    tried.push("no package registry has such a build");
  } else {
    onLog({
      stream: "info",
      text: `${tried.join()}; CPython ${embedded.version} of ${embedded.release} stands for it, from the Go module proxy. It has no headers: packages must come as wheels.`,
    });
    try {
      await unpackEmbedded(embedded, target, scratch, signal);
      return await addPip(minorOf(build), join(target, "python"), scratch, signal);
    } catch (error) {
      if (!(error instanceof ImageError) || error.kind !== "unreachable") throw error;
      tried.push(endless(error.message));
    }
  }
  throw new ImageError(
    "unreachable",
    `${wanted} for ${process.arch} cannot be had for add_python: ${tried.join("; ")}. Set ${MIRROR_VARIABLE} of the server to a mirror of python-build-standalone's releases, or use an image that has a Python.`,
  );
}

const endless = (message: string): string => message.replace(/\.$/, "");

/** The builds of the Go module are without the packages that come with Python. */
async function addPip(minor: string, root: string, scratch: string, signal: AbortSignal): Promise<void> {
  const into = join(root, `lib/python${minor}/site-packages`);
  await mkdir(into, { recursive: true, mode: 0o755 });
  const projects = Number(minor.split(".")[1]) < SETUPTOOLS_UNTIL ? ["pip", "setuptools"] : ["pip"];
  for (const project of projects) {
    const found = chooseWheel(project, minor, await listWheels(project, signal));
    if (found === undefined) throw new ImageError("unreachable", `the package index has no wheel of ${project}`);
    const archive = join(scratch, found.filename);
    await fetchWheel(found, archive, signal);
    await unpackWheel(archive, into, signal);
  }
}

/** The newest release that runs on this Python. */
export function chooseWheel(project: string, minor: string, wheels: readonly Wheel[]): Wheel | undefined {
  const suitable = wheels.flatMap((wheel) => {
    const version = new RegExp(`^${project}-(\\d+(?:\\.\\d+)*)-py3-none-any\\.whl$`).exec(wheel.filename)?.[1];
    const oldest = />=\s*(\d+(?:\.\d+)*)/.exec(wheel.requiresPython ?? "")?.[1];
    return version === undefined || (oldest !== undefined && compareVersions(oldest, minor) > 0) ? [] : [{ version, wheel }];
  });
  return suitable.sort((a, b) => compareVersions(a.version, b.version)).at(-1)?.wheel;
}

async function unpackWheel(archive: string, into: string, signal: AbortSignal): Promise<void> {
  const folders = new Set<string>();
  const place = (name: string): string | undefined => {
    if (name.endsWith("/") || name.startsWith("/") || name.split("/").includes("..")) return undefined;
    folders.add(dirname(join(into, name)));
    return join(into, name);
  };
  // The names first: a file can be written only where its folder is.
  await unzipFiles(archive, (name) => void place(name), signal);
  for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o755 });
  await unzipFiles(archive, place, signal);
}
