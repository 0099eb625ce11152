// What starting and deploying an app share: its images, its files, its secrets and its functions on the server.
import type { RegisteredFunction } from "@lydian/protocol";
import type { App } from "../app.ts";
import type { Client } from "../client.ts";
import { InvalidError } from "../errors.ts";
import { Image } from "../image/image.ts";
import { readLocalFiles, sha256, type UploadFile } from "../image/local-files.ts";
import type { FunctionOptions } from "../options.ts";
import type { Secret } from "../secret.ts";
import { buildImage } from "./build-image.ts";
import type { Bundle } from "./bundle.ts";
import { functionDefinition } from "./create-functions.ts";
import { createSecret, secretsOf } from "./create-secrets.ts";
import type { RunEvent } from "./events.ts";
import { uploadMount } from "./upload-mount.ts";

export interface AppContext {
  readonly client: Client;
  readonly environment: string;
  readonly bundle: Bundle;
  readonly signal?: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

export interface CreateOptions extends AppContext {
  readonly appId: string;
  readonly appName: string;
  /** By name: functions of the app that get another definition and keep their ids. */
  readonly existing?: Readonly<Record<string, string>>;
}

export interface CreatedFunction {
  readonly name: string;
  readonly id: string;
  readonly definitionId: string;
}

/** Builds images, uploads files and defines the functions. Nothing is callable before the app is published. */
export async function createAppFunctions(app: App, options: CreateOptions): Promise<CreatedFunction[]> {
  const { client, appId, appName, bundle, environment, signal, onEvent, existing = {} } = options;
  const functions = app.registered.filter((item): item is RegisteredFunction => item.kind === "function");
  for (const fn of functions)
    if (fn.name === undefined)
      throw new InvalidError('A function has no name: export it from its module, or give it one with { name: "…" }.');
  const images = new Map<Image, Promise<string>>();
  const mounts = new Map<Image, Promise<string[]>>();
  const secrets = new Map<Secret, Promise<string>>();
  const secret = (each: Secret) => remember(secrets, each, () => createSecret(each, { client, appId, environment, signal }));
  const code = once(() => uploadMount(client, appId, bundleFiles(bundle), signal));
  const build = (image: Image): Promise<string> =>
    remember(images, image, () => buildImage(image, { client, appId, secretId: secret, signal, onEvent }));
  const localFiles = (image: Image): Promise<string[]> =>
    remember(mounts, image, () =>
      Promise.all(image.mounted.map(async (files) => uploadMount(client, appId, await readLocalFiles(files), signal))),
    );
  const prepared = new Map<string, Image>();
  return Promise.all(
    functions.map(async (fn) => {
      const image = imageOf(fn, app, bundle, prepared);
      // Before the image is built: who forgot to make one is told at once.
      const secretIds = await Promise.all(secretsOf(fn, app).map(secret));
      const [imageId, bundleMount, others] = await Promise.all([build(image), code(), localFiles(image)]);
      const mountIds = [bundleMount, ...others];
      const definition = functionDefinition(fn, { appName, entry: bundle.entry, imageId, mountIds, secretIds });
      const name = fn.name ?? "";
      const request = { appId, function: definition, existingFunctionId: Object.hasOwn(existing, name) ? (existing[name] ?? "") : "" };
      const { functionId, handleMetadata } = await client.modal.functionCreate(request, signal ? { signal } : {});
      return { name, id: functionId, definitionId: handleMetadata?.definitionId ?? "" };
    }),
  );
}

const defaultImage = Image.node();

/** Functions with the same image and the same additions share one Image object, so that it is built once. */
function imageOf(fn: RegisteredFunction, app: App, bundle: Bundle, prepared: Map<string, Image>): Image {
  const { image, env } = fn.options as FunctionOptions;
  const base = image ?? (app.options.image as Image | undefined) ?? defaultImage;
  const packages = Object.entries(bundle.nativePackages).map(([name, version]) => `${name}@${version}`);
  const key = `${identity(base)} ${JSON.stringify(env ?? {})}`;
  let result = prepared.get(key);
  if (!result) {
    result = packages.length > 0 ? base.npmInstall(packages) : base;
    if (env) result = result.env(env);
    prepared.set(key, result);
  }
  return result;
}

const numbers = new WeakMap<Image, number>();
let nextNumber = 0;

function identity(image: Image): number {
  const known = numbers.get(image) ?? nextNumber++;
  numbers.set(image, known);
  return known;
}

function bundleFiles({ files }: Bundle): UploadFile[] {
  return [...files].map(([path, { data, mode }]) => ({ path, sha256: sha256(data), mode, read: async () => data }));
}

function remember<K, V>(known: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  let value = known.get(key);
  if (!value) {
    value = make();
    known.set(key, value);
  }
  return value;
}

function once<V>(make: () => Promise<V>): () => Promise<V> {
  let value: Promise<V> | undefined;
  return () => (value ??= make());
}
