// What a function's containers are made of, for a shell in one.
import type { App } from "../../app.ts";
import type { Client } from "../../client.ts";
import type { Image } from "../../image/image.ts";
import { sha256 } from "../../image/local-files.ts";
import { type FunctionOptions, resolveOptions } from "../../options.ts";
import { isServed, type Served } from "../../run/create-classes.ts";
import { secretsOf } from "../../run/create-secrets.ts";
import { uploadMount } from "../../run/upload-mount.ts";
import type { SandboxOptions } from "../../sandbox/sandbox-options.ts";
import { bundleForContainer } from "../bundle/bundle-for-container.ts";
import { functionAssets } from "../bundle/function-assets.ts";
import { loadLocally } from "../bundle/load-locally.ts";
import { UsageError } from "../exit.ts";
import { parseEntryReference } from "../run/entry-reference.ts";

export interface ShellFunction {
  readonly options: SandboxOptions;
  /** Its code, where its containers have it. */
  upload(client: Client, appId: string): Promise<readonly string[]>;
}

/** By FILE::function; FILE alone means the only one. Throws UsageError with what there is. */
export async function loadShellFunction(reference: string): Promise<ShellFunction> {
  const { file, name } = parseEntryReference(reference, process.cwd(), "shell");
  const apps = await loadLocally(file);
  const all = apps.flatMap((app) => app.registered.filter(isServed).map((fn) => ({ app: app as App, fn })));
  const [found, other] = name === undefined ? all : all.filter(({ fn }) => fn.name === name);
  if (!found || other) {
    const names = all.map(({ fn }) => fn.name ?? "(unnamed)").join(", ") || "none";
    const what = found ? `${reference} has ${all.length} functions, say which` : `${reference} names no function`;
    throw new UsageError(what, `lydian shell FILE::NAME; there is: ${names}`);
  }
  return {
    options: optionsOf(found.fn, found.app),
    async upload(client, appId) {
      const { files } = await bundleForContainer(file, { assets: functionAssets(file, [found.app]) });
      const bundled = [...files].map(([path, { data, mode }]) => ({ path, sha256: sha256(data), mode, read: async () => data }));
      return [await uploadMount(client, appId, bundled)];
    },
  };
}

function optionsOf(fn: Served, app: App): SandboxOptions {
  const options = fn.options as FunctionOptions;
  const { blockNetwork } = resolveOptions(options);
  const image = options.image ?? (app.options.image as Image | undefined);
  return {
    secrets: secretsOf(fn, app),
    network: blockNetwork ? "none" : "open",
    ...(image && { image }),
    ...(options.env && { env: options.env }),
    ...(options.cpu === undefined ? {} : { cpu: options.cpu }),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
  };
}
