// The images that can be made without any registry, by the names they have on Docker Hub.
import { type BuiltImage, DEFAULT_PATH, type OnBuildLog } from "../image.ts";
import type { LayerStore } from "../layer-store.ts";
import { DOCKER_HUB, type ImageReference } from "../registry/reference.ts";
import { debianLayer } from "./debian.ts";
import { certificateEnv, readHostCertificates } from "./host-certificates.ts";
import { nodeLayer } from "./node.ts";
import { isVersionPrefix } from "./node-version.ts";

/** What a name stands for. */
export interface BaseRecipe {
  /** Debian release by code name. */
  readonly suite: string;
  /** Version of Node, or the beginning of one. */
  readonly node?: string;
}

const SUITES: Readonly<Record<string, string>> = { "12": "bookworm", bookworm: "bookworm", "13": "trixie", trixie: "trixie" };
const DEFAULT_SUITE = "bookworm";

/** For messages: what names have a recipe. */
export const RECIPE_NAMES =
  "debian:12-slim, debian:bookworm-slim, debian:13-slim, debian:trixie-slim, node:<version>-slim and node:<version>-<release>-slim";

/** The recipe of an image name; undefined when there is none. */
export function recipeFor(reference: ImageReference): BaseRecipe | undefined {
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
  return undefined;
}

/** Makes the image of a recipe. Its Debian layer is the same for all Node versions. */
export async function makeBase(
  recipe: BaseRecipe,
  store: LayerStore,
  options: { onLog: OnBuildLog; npmRegistry?: string; signal?: AbortSignal },
): Promise<BuiltImage> {
  const env = { PATH: DEFAULT_PATH, ...certificateEnv(await readHostCertificates()) };
  if (recipe.node === undefined) return { layers: [await debianLayer(recipe.suite, store, options)], config: { env, cmd: ["bash"] } };
  // Neither needs the other, and one waits mostly for the disk and one for the network. When one fails, the other ends.
  const failed = new AbortController();
  const both = { ...options, signal: options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]) };
  const parts = [
    debianLayer(recipe.suite, store, both),
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
