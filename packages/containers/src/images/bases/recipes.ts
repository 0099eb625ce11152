// The images that can be made without any registry, by the names they have in their registries.
import { type BuiltImage, DEFAULT_PATH, type OnBuildLog } from "../image.ts";
import type { LayerStore } from "../layer-store.ts";
import { DOCKER_HUB, type ImageReference } from "../registry/reference.ts";
import { debianLayer, slimDebian } from "./debian.ts";
import { certificateEnv, readHostCertificates } from "./host-certificates.ts";
import { nodeLayer } from "./node.ts";
import { isVersionPrefix } from "./node-version.ts";
import { pythonImage } from "./python.ts";
import { PYTHON_MINORS, pythonSource } from "./python-version.ts";
import { parseStandaloneTag, STANDALONE_REGISTRY, STANDALONE_REPOSITORY, type StandaloneBuild } from "./standalone-python/build.ts";
import { standalonePython } from "./standalone-python/image.ts";
import { uvImage } from "./uv.ts";

/** What a name stands for. `uv`: its version, the beginning of one, or empty for the newest. */
export type BaseRecipe = SystemRecipe | { readonly uv: string } | { readonly standalone: StandaloneBuild };

interface SystemRecipe {
  /** Debian release by code name. */
  readonly suite: string;
  /** Version of Node, or the beginning of one. */
  readonly node?: string;
  /** Version of Python, or the beginning of one. */
  readonly python?: string;
}

const SUITES: Readonly<Record<string, string>> = { "12": "bookworm", bookworm: "bookworm", "13": "trixie", trixie: "trixie" };
const DEFAULT_SUITE = "bookworm";

/** For messages: what names have a recipe. */
const RECIPE_NAMES =
  "debian:12-slim, debian:bookworm-slim, debian:13-slim, debian:trixie-slim, node:<version>-slim, node:<version>-<release>-slim and python:<version>-slim";
const PYTHON_TAG = /^(?:(\d+(?:\.\d+){0,2})-)?slim(?:-[a-z]+)?$/;

/** The recipe of an image name; undefined when there is none. */
export function recipeFor(reference: ImageReference): BaseRecipe | undefined {
  if (reference.registry === "ghcr.io" && reference.repository === "astral-sh/uv") {
    if (reference.version === "latest") return { uv: "" };
    return isVersionPrefix(reference.version) ? { uv: reference.version } : undefined;
  }
  if (reference.registry === STANDALONE_REGISTRY && reference.repository === STANDALONE_REPOSITORY) {
    const standalone = parseStandaloneTag(reference.version);
    return standalone && { standalone };
  }
  if (reference.registry !== DOCKER_HUB) return undefined;
  if (reference.repository === "library/debian") {
    const suite = SUITES[reference.version.replace(/-slim$/, "")];
    return suite === undefined ? undefined : { suite };
  }
  if (reference.repository === "library/node") {
    const [version = "", second = "", third] = reference.version.split("-");
    if (!isVersionPrefix(version)) return undefined;
    if (second === "slim" && third === undefined) return { suite: DEFAULT_SUITE, node: version };
    const suite = SUITES[second];
    return third === "slim" && suite !== undefined && !/^\d/.test(second) ? { suite, node: version } : undefined;
  }
  if (reference.repository === "library/python") {
    const [tag, wanted = "3"] = PYTHON_TAG.exec(reference.version) ?? [];
    const source = pythonSource(wanted);
    // The distribution is the one that has this Python, whichever the name asks for.
    return tag === undefined || source === undefined ? undefined : { suite: source.suite, python: wanted };
  }
  return undefined;
}

/** For the message about a name without a recipe. */
export function recipesBeside(reference: ImageReference): string {
  const isPython = reference.registry === DOCKER_HUB && reference.repository === "library/python";
  return isPython ? `python:<version>-slim with a Python that a reachable distribution has (${PYTHON_MINORS})` : RECIPE_NAMES;
}

/** Makes the image of a recipe. Its Debian layer is the same for all Node versions. */
export async function makeBase(
  recipe: BaseRecipe,
  store: LayerStore,
  options: { onLog: OnBuildLog; npmRegistry?: string; signal?: AbortSignal },
): Promise<BuiltImage> {
  if ("standalone" in recipe) return standalonePython(recipe.standalone, store, options);
  if ("uv" in recipe) return uvImage(recipe.uv, store, options);
  if (recipe.python !== undefined) return pythonImage(recipe.python, store, options);
  const env = { PATH: DEFAULT_PATH, ...certificateEnv(await readHostCertificates()) };
  if (recipe.node === undefined)
    return { layers: [await debianLayer(slimDebian(recipe.suite), store, options)], config: { env, cmd: ["bash"] } };
  // Neither needs the other, and one waits mostly for the disk and one for the network. When one fails, the other ends.
  const failed = new AbortController();
  const both = { ...options, signal: options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]) };
  const parts = [
    debianLayer(slimDebian(recipe.suite), store, both),
    nodeLayer(recipe.node, store, { ...both, ...(options.npmRegistry === undefined ? {} : { registry: options.npmRegistry }) }),
  ] as const;
  try {
    const [debian, node] = await Promise.all(parts);
    return { layers: [debian, node.id], config: { env: { ...env, NODE_VERSION: node.version }, cmd: ["node"] } };
  } catch (error) {
    failed.abort(error);
    await Promise.allSettled(parts);
    throw error;
  }
}
