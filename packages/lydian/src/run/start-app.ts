// From a registered app to a running one.
import { AppState, AppDisconnectReason as Reason } from "@lydian/protocol";
import type { App } from "../app.ts";
import { type Client, useClient } from "../client.ts";
import { InvalidError } from "../errors.ts";
import { Image } from "../image/image.ts";
import { readLocalFiles, sha256, type UploadFile } from "../image/local-files.ts";
import type { FunctionOptions } from "../options.ts";
import type { Secret } from "../secret.ts";
import { findSession, setSession } from "../session.ts";
import { buildImage } from "./build-image.ts";
import type { Bundle } from "./bundle.ts";
import { createClasses, isServed, type Served, servedName } from "./create-classes.ts";
import { functionDefinition } from "./create-functions.ts";
import { createSecret, secretsOf } from "./create-secrets.ts";
import type { RunEvent } from "./events.ts";
import { followLogs, sendHeartbeats, watchPools } from "./follow-app.ts";
import { uploadMount } from "./upload-mount.ts";

export type { RunEvent } from "./events.ts";

export interface StartAppOptions {
  readonly client: Client;
  readonly environment: string;
  readonly bundle: Bundle;
  readonly signal?: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

export type StopReason = "completed" | "local_exception" | "interrupted";

export interface RunningApp {
  readonly appId: string;
  readonly functionIds: Readonly<Record<string, string>>;
  /** What it consists of becomes this, at once; when that fails, it stays what it was. */
  replace(app: App, bundle: Bundle): Promise<void>;
  /** Ends the app; resolves when its last log line was told, or after a bound. */
  stop(reason: StopReason, exception?: string): Promise<void>;
}

const REASONS: Readonly<Record<StopReason, Reason>> = {
  completed: Reason.ENTRYPOINT_COMPLETED,
  local_exception: Reason.LOCAL_EXCEPTION,
  interrupted: Reason.KEYBOARD_INTERRUPT,
};
const LAST_LINES_MS = 15_000;
const DEFAULT_NAME = "app";

/** Makes the app, its images and its functions, and makes handles callable. When anything fails, the app is ended again. */
export async function startApp(app: App, options: StartAppOptions): Promise<RunningApp> {
  const { client, environment, signal, onEvent } = options;
  const description = app.name ?? DEFAULT_NAME;
  const { appId } = await client.modal.appCreate(
    {
      description,
      environmentName: environment,
      appState: AppState.EPHEMERAL,
      tags: { ...(app.options.tags as Record<string, string> | undefined) },
    },
    signal ? { signal } : {},
  );
  onEvent({ type: "app-created", appId });
  const ended = new AbortController();
  void sendHeartbeats(client, appId, ended.signal);
  const disconnect = (reason: Reason, exception = "") =>
    client.modal.appClientDisconnect({ appId, reason, exception: exception.slice(0, 1_000) }, { timeoutMs: 10_000 });
  try {
    let published = await publish(app, appId, description, options);
    const { functionIds } = published;
    onEvent({ type: "published" });
    const logs = followLogs(client, appId, onEvent, ended.signal);
    void watchPools(client, appId, onEvent, ended.signal);
    useClient(client);
    setSession({ serverUrl: client.serverUrl, environment, appId, functionIds, ...(client.token ? { token: client.token } : {}) });
    return {
      appId,
      functionIds,
      async replace(next, bundle) {
        published = await publish(next, appId, next.name ?? DEFAULT_NAME, { ...options, bundle }, published);
      },
      async stop(reason, exception) {
        if (findSession()?.appId === appId) setSession(undefined);
        try {
          await disconnect(REASONS[reason], exception);
          await within(logs, LAST_LINES_MS);
        } finally {
          ended.abort();
        }
      },
    };
  } catch (error) {
    ended.abort();
    await disconnect(Reason.DEPLOYMENT_EXCEPTION, error instanceof Error ? error.message : String(error)).catch(() => undefined);
    throw error;
  }
}

interface Published extends CreatedFunctions {
  readonly classIds: Readonly<Record<string, string>>;
}

/** `before`: what it was, whose ids stay. */
async function publish(app: App, appId: string, name: string, options: StartAppOptions, before?: Published): Promise<Published> {
  const { client, signal } = options;
  const functions = await createFunctions(app, appId, name, options, before?.functionIds);
  const classIds = await createClasses(app, appId, options, before?.classIds);
  await client.modal.appPublish({ appId, appState: AppState.EPHEMERAL, ...functions, classIds }, signal ? { signal } : {});
  return { ...functions, classIds };
}

export interface CreatedFunctions {
  /** By name. */
  readonly functionIds: Readonly<Record<string, string>>;
  /** By id. */
  readonly definitionIds: Readonly<Record<string, string>>;
}

/** `existing`: ids that functions have from an earlier version, by name. */
export async function createFunctions(
  app: App,
  appId: string,
  appName: string,
  options: StartAppOptions,
  existing: Readonly<Record<string, string>> = {},
): Promise<CreatedFunctions> {
  const { client, bundle, environment, signal, onEvent } = options;
  const functions = app.registered.filter(isServed);
  for (const fn of functions)
    if (fn.name === undefined)
      throw new InvalidError(`A ${fn.kind} has no name: export it from its module, or give it one with { name: "…" }.`);
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
  const created = await Promise.all(
    functions.map(async (fn) => {
      const image = imageOf(fn, app, bundle, prepared);
      // Before the image is built: who forgot to make one is told at once.
      const secretIds = await Promise.all(secretsOf(fn, app).map(secret));
      const [imageId, bundleMount, others] = await Promise.all([build(image), code(), localFiles(image)]);
      const mountIds = [bundleMount, ...others];
      const definition = functionDefinition(fn, { appName, entry: bundle.entry, imageId, mountIds, secretIds });
      const name = servedName(fn);
      const request = { appId, function: definition, existingFunctionId: existing[name] ?? "" };
      const { functionId, handleMetadata } = await client.modal.functionCreate(request, signal ? { signal } : {});
      return { name, functionId, definitionId: handleMetadata?.definitionId ?? "" };
    }),
  );
  return {
    functionIds: Object.fromEntries(created.map(({ name, functionId }) => [name, functionId])),
    definitionIds: Object.fromEntries(created.map(({ functionId, definitionId }) => [functionId, definitionId])),
  };
}

const defaultImage = Image.node();

/** Functions with the same image and the same additions share one Image object, so that it is built once. */
function imageOf(fn: Served, app: App, bundle: Bundle, prepared: Map<string, Image>): Image {
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

function within(promise: Promise<unknown>, limitMs: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}
