// The image ghcr.io/astral-sh/uv holds two programs, /uv and /uvx. The wheel of the same version on PyPI has the same.
import { chmod, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unzipFiles } from "../archive/unzip.ts";
import { ImageError } from "../errors.ts";
import { type BuiltImage, DEFAULT_PATH, type OnBuildLog } from "../image.ts";
import { layerKey } from "../keys.ts";
import type { LayerStore } from "../layer-store.ts";
import { newestVersion } from "./node-version.ts";
import { fetchWheel, listWheels, type Wheel } from "./pypi.ts";

const RECIPE_VERSION = 1;
const PROGRAMS = ["uv", "uvx"];
const MACHINES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

/** `wanted`: a version, the beginning of one, or "" for the newest. */
export async function uvImage(
  wanted: string,
  store: LayerStore,
  options: { onLog: OnBuildLog; signal?: AbortSignal },
): Promise<BuiltImage> {
  const { onLog, signal } = options;
  onLog({ stream: "info", text: `Asking the Python package index for uv ${wanted === "" ? "(newest)" : wanted}.` });
  const { version, wheel } = chooseUv(wanted, await listWheels("uv", signal));
  const id = layerKey({ kind: "uv", version: RECIPE_VERSION, sha256: wheel.sha256 });
  const make = async (target: string, layerSignal: AbortSignal): Promise<void> => {
    onLog({ stream: "info", text: `Fetching uv ${version} (${wheel.filename}).` });
    const archive = join(dirname(target), "uv.whl");
    await fetchWheel(wheel, archive, layerSignal);
    await mkdir(target, { mode: 0o755 });
    await chmod(target, 0o755);
    const places = new Map(PROGRAMS.map((name) => [`uv-${version}.data/scripts/${name}`, join(target, name)]));
    const written = await unzipFiles(archive, (name) => places.get(name), layerSignal);
    if (written !== PROGRAMS.length)
      throw new ImageError("corrupt", `${wheel.filename} does not have the programs ${PROGRAMS.join(" and ")}.`);
    for (const path of places.values()) await chmod(path, 0o755);
  };
  await store.make(id, make, signal === undefined ? {} : { signal });
  return { layers: [id], config: { env: { PATH: DEFAULT_PATH }, entrypoint: ["/uv"] } };
}

/** The wheel for this machine. The one for musl is linked statically, so that it runs in every image. */
export function chooseUv(wanted: string, wheels: readonly Wheel[], arch: string = process.arch): { version: string; wheel: Wheel } {
  const machine = MACHINES[arch] ?? arch;
  const suitable = wheels.flatMap((wheel) => {
    const [, version = "", platform = ""] = /^uv-([0-9.]+)-py3-none-(\S+)\.whl$/.exec(wheel.filename) ?? [];
    return new RegExp(`musllinux\\w*_${machine}(\\.|$)`).test(platform) ? [{ version, wheel }] : [];
  });
  const version = newestVersion(
    wanted,
    suitable.map((candidate) => candidate.version),
  );
  const found = suitable.find((candidate) => candidate.version === version);
  if (found === undefined)
    throw new ImageError(
      "unreachable",
      `The Python package index has no uv ${wanted} for ${machine}, of which ghcr.io/astral-sh/uv could be made.`,
    );
  return found;
}
