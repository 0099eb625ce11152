// Local files as a layer of their own, on top of whichever image: a mount.
import { posix } from "node:path";
import { layerKey } from "../keys.ts";
import type { LayerStore } from "../layer-store.ts";
import type { ContextFile } from "./context.ts";
import { makeFilesLayer } from "./copy-step.ts";
import { RootfsView } from "./rootfs-view.ts";

const RECIPE_VERSION = 1;
/** In today's distributions these are links. A directory of that name in a layer would hide the whole of it. */
const MERGED = /^\/(bin|sbin|lib|lib64)\//;
/** Directories whose permissions a layer must not widen or narrow, as every distribution has them. */
const MODES: ReadonlyMap<string, number> = new Map([
  ["/tmp", 0o1777],
  ["/var/tmp", 0o1777],
  ["/root", 0o700],
]);

/** Makes a layer that has the files at their paths, unless it is in the store, and returns its id. */
export async function filesLayer(
  files: readonly ContextFile[],
  store: LayerStore,
  options: { signal?: AbortSignal } = {},
): Promise<string> {
  const targets = files.map((file) => ({ path: MERGED.test(file.path) ? posix.join("/usr", file.path) : file.path, file }));
  const id = layerKey({ kind: "files", version: RECIPE_VERSION, files: targets.map(({ path, file }) => [path, file.sha256, file.mode]) });
  await store.make(id, (target, signal) => makeFilesLayer(target, targets, { view: new RootfsView([]), modes: MODES }, signal), options);
  return id;
}
