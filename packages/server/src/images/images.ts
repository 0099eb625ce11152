// Recipes become images. One recipe of a workspace is one image, built once.
//
//              ┌──────── asked for again ───────────┐
//              ▼                                     │
//   (new) → building ──built──→ ready ──layers gone──┤
//              ├────step failed──→ failed ───────────┤
//              └────all apps gone─→ cancelled ───────┘
//
// A build lives in this process; its image stays `building` when the process ends, and whoever asks for it or joins it
// afterwards starts it again. The steps it had finished are found in the layer store.
import {
  type BuildSecrets,
  type BuiltImage,
  type ContextFile,
  type FinalStep,
  type ImageBuilder,
  ImageError,
  type ImagePython,
  type ImageRecipe,
  type LayerStore,
  type OnBuildLog,
  type RegistryLogin,
  STANDALONE_ROOT,
} from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Contents } from "../blobs/contents.ts";
import { isId, newId } from "../ids.ts";
import type { Mounts } from "../mounts/mounts.ts";
import type { Secrets } from "../secrets/secrets.ts";
import { Pythons } from "./pythons.ts";
import { type ReceivedRecipe, recipeKey, type StoredBuildFunction, type StoredRecipe } from "./recipe.ts";
import { registryLogin } from "./registry-login.ts";
import { RunningBuild } from "./running-build.ts";
import type { ImageEnd, ImageRecord, ImageStore, LogLine } from "./store.ts";

export interface ImagesDependencies {
  readonly store: ImageStore;
  readonly builder: ImageBuilder;
  readonly layers: LayerStore;
  readonly contents: Contents;
  readonly mounts: Mounts;
  readonly secrets: Pick<Secrets, "require" | "forBuild" | "environment" | "fingerprint">;
  /** Runs a function once, in a container of its own; what it writes is the layer at `target`. */
  readonly runFunction: (fn: StoredBuildFunction, target: string, options: { signal: AbortSignal; onLog: OnBuildLog }) => Promise<void>;
  readonly now?: () => number;
  /** Called with what went wrong in the server itself during a build. */
  readonly onError?: (error: unknown) => void;
}

export interface ImageRequest {
  readonly workspaceId: string;
  /** The app that needs it; the build ends when all of its apps have stopped. Empty: it is built to its end. */
  readonly appId: string;
  readonly builderVersion: string;
  /** "use": an equal image is enough. "replace": build anew, and use that from now on. "ignore": build anew, once. */
  readonly cache: "use" | "replace" | "ignore";
}

export interface RootFilesystem {
  /** Directories, topmost first. */
  readonly layers: string[];
  readonly env: Record<string, string>;
  readonly workdir?: string;
  readonly user?: string;
  /** Goes before the command of whatever runs in the image. */
  readonly entrypoint?: readonly string[];
}

const MAX_PARALLEL_BUILDS = 4;
const LOG_PAGE = 500;

export class Images {
  readonly #dependencies: ImagesDependencies;
  readonly #now: () => number;
  readonly #running = new Map<string, RunningBuild>();
  /** Images never change once they are ready. */
  readonly #ready = new Map<string, BuiltImage>();
  readonly #pythons: Pythons;
  readonly #queue: (() => void)[] = [];
  #active = 0;
  #stopping = false;

  constructor(dependencies: ImagesDependencies) {
    this.#dependencies = dependencies;
    this.#now = dependencies.now ?? Date.now;
    this.#pythons = new Pythons((image) => dependencies.builder.python(image));
  }

  /** The image of a recipe: ready, or being built from now on. Throws for a recipe that cannot be built anywhere. */
  async getOrCreate(request: ImageRequest, received: ReceivedRecipe): Promise<ImageRecord> {
    const { store, builder, contents, mounts, layers, secrets } = this.#dependencies;
    const { workspaceId } = request;
    const { secretIds, registry } = received.recipe;
    const mount = received.recipe.contextMountId === undefined ? undefined : mounts.require(received.recipe.contextMountId, workspaceId);
    for (const id of Object.values(received.recipe.bases)) this.#requireReady(id, workspaceId);
    for (const id of [...(secretIds ?? []), ...(registry === undefined ? [] : [registry.secretId])]) secrets.require(id, workspaceId);
    const variables = this.#secretsOf(received.recipe);
    const key = recipeKey(received.recipe, {
      mountChecksum: mount?.checksum,
      secrets: variables?.fingerprint,
      login: this.#loginOf(received.recipe)?.fingerprint,
    });
    const known = request.cache === "use" ? await this.#current(workspaceId, key) : undefined;
    if (known?.state === "ready" && known.result !== undefined && (await layers.hasAll(known.result.layers))) return known;
    if (known !== undefined) {
      // Secrets and functions of an app that has stopped are gone; those of this request are the same.
      const { buildFunction } = received.recipe;
      const recipe = {
        ...known.recipe,
        ...(secretIds && { secretIds }),
        ...(registry && { registry }),
        ...(buildFunction && { buildFunction }),
      };
      if (known.state !== "building" || !this.#running.has(known.id)) await store.restart(known.id, recipe);
      const again: ImageRecord = { ...known, recipe, state: "building", result: undefined, failure: undefined };
      this.#start(again, request.appId, true);
      return again;
    }
    for (const data of received.data) await contents.put(data);
    const id = newId("im", this.#now());
    const recipe: StoredRecipe = request.cache === "use" ? received.recipe : { ...received.recipe, salt: id };
    const buildable = this.#buildable(recipe, variables);
    builder.check(buildable);
    const cached = request.cache === "use" ? await builder.cached(buildable) : undefined;
    const image: ImageRecord = {
      id,
      workspaceId,
      recipeKey: key,
      recipe,
      builderVersion: request.builderVersion,
      state: cached === undefined ? "building" : "ready",
      result: cached,
      failure: undefined,
      expiresAt: 0,
    };
    const inserted = await store.insert(image, request.cache === "use", this.#now());
    if (inserted.state === "building") this.#start(inserted, request.appId, request.cache !== "ignore");
    return inserted;
  }

  /** Throws `not_found` unless the image exists and is the workspace's. */
  require(imageId: string, workspaceId: string): ImageRecord {
    const image = this.#find(imageId, workspaceId);
    if (image !== undefined) return image;
    // The official JavaScript client knows the first words.
    throw new LydianError("not_found", `Could not find image with ID ${shown(imageId)}: it never was, or it was deleted.`);
  }

  /**
   * Forgets the image; a build of it ends. Images that were built on it and containers that run have their layers still, and the next
   * request for its recipe gets another image. False when there is none.
   */
  async delete(imageId: string, workspaceId: string): Promise<boolean> {
    if (this.#find(imageId, workspaceId) === undefined) return false;
    await this.#dependencies.store.delete(imageId);
    const build = this.#running.get(imageId);
    build?.controller.abort(new LydianError("cancelled", "The image was deleted."));
    await build?.ended;
    this.#ready.delete(imageId);
    return true;
  }

  /** An image of layers that are there. A request with the same key gets the same image. */
  async adopt(snapshot: { workspaceId: string; key: string; result: BuiltImage; expiresAt: number }): Promise<string> {
    const { workspaceId, key: recipeKey, result, expiresAt } = snapshot;
    const recipe: StoredRecipe = { lines: [], bases: {}, files: [], buildArgs: {} };
    const id = newId("im", this.#now());
    const image = {
      id,
      workspaceId,
      recipeKey,
      recipe,
      builderVersion: "",
      state: "ready",
      result,
      failure: undefined,
      expiresAt,
    } as const;
    return (await this.#dependencies.store.insert(image, true, this.#now())).id;
  }

  /** The image that `adopt` was given this key for. */
  adopted(workspaceId: string, key: string): string | undefined {
    return this.#dependencies.store.current(workspaceId, key)?.id;
  }

  /** Deletes those whose time is over and whose topmost layer is not in use. Returns those layers, unless other images have them. */
  deleteExpired(isUsed: (layer: string) => boolean): Promise<string[]> {
    return this.#dependencies.store.deleteExpired(this.#now(), isUsed);
  }

  /** Layers and configuration of a finished image. Throws `not_found`, and `failed_precondition` when it is not ready. */
  built(imageId: string, workspaceId: string): BuiltImage {
    return this.#requireReady(imageId, workspaceId);
  }

  /** What a container of the image starts with; undefined when there is no such image or it is not ready. */
  rootfs(imageId: string): RootFilesystem | undefined {
    const image = this.#built(imageId);
    if (image === undefined) return undefined;
    const { env, workdir, user, entrypoint } = image.config;
    const layers = image.layers.map((id) => this.#dependencies.layers.path(id)).reverse();
    return {
      layers,
      env: { ...env },
      ...(workdir === undefined ? {} : { workdir }),
      ...(user === undefined ? {} : { user }),
      ...(entrypoint === undefined || entrypoint.length === 0 ? {} : { entrypoint }),
    };
  }

  /**
   * The Python of a finished image; undefined when it has none. Costs a container the first time. Throws
   * `failed_precondition` when the image is not ready.
   */
  async python(imageId: string): Promise<ImagePython | undefined> {
    const built = this.#built(imageId);
    if (built === undefined) throw new LydianError("failed_precondition", `The image ${imageId} is not ready.`);
    return this.#pythons.of(imageId, built);
  }

  /**
   * The log of an image's build after line `after`, in pages, live until the build ends. A build that a stopped server
   * has left is started again. Ends early when a signal aborts.
   */
  async *follow(imageId: string, after: number, signals: readonly AbortSignal[]): AsyncGenerator<readonly LogLine[]> {
    const { store } = this.#dependencies;
    const image = store.get(imageId);
    if (image === undefined) return;
    if (image.state === "building" && !this.#stopping) this.#start(image, "", image.recipe.salt === undefined);
    const build = this.#running.get(imageId);
    let at = after;
    const advance = (page: readonly LogLine[]): readonly LogLine[] => {
      at = page.at(-1)?.seq ?? at;
      return page;
    };
    for (let page = store.logs(imageId, at, LOG_PAGE); page.length > 0; page = store.logs(imageId, at, LOG_PAGE)) yield advance(page);
    if (build === undefined) return;
    while (!signals.some((signal) => signal.aborted)) {
      const page = build.linesAfter(at);
      if (page.length > 0) yield advance(page);
      else if (this.#running.get(imageId) !== build) return;
      else await build.changed(signals);
    }
  }

  /** Cancels builds that no other app waits for. */
  async stopApp(appId: string): Promise<void> {
    const ending: Promise<void>[] = [];
    for (const build of this.#running.values()) {
      if (!build.apps.delete(appId) || build.apps.size > 0) continue;
      build.controller.abort(new LydianError("cancelled", "The app has stopped."));
      ending.push(build.ended);
    }
    await Promise.all(ending);
  }

  /** Ends all builds; they go on when they are asked for again. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const builds = [...this.#running.values()];
    for (const build of builds) build.controller.abort(new LydianError("unavailable", "The server is stopping."));
    await Promise.all(builds.map((build) => build.ended));
  }

  /** The current image of a recipe. One whose build is being cancelled has ended first. */
  async #current(workspaceId: string, key: string): Promise<ImageRecord | undefined> {
    const { store } = this.#dependencies;
    const found = store.current(workspaceId, key);
    const build = found === undefined ? undefined : this.#running.get(found.id);
    if (!build?.controller.signal.aborted) return found;
    await build.ended;
    return store.current(workspaceId, key);
  }

  #find(imageId: string, workspaceId: string): ImageRecord | undefined {
    const image = this.#get(imageId);
    return image?.workspaceId === workspaceId ? image : undefined;
  }

  #built(imageId: string): BuiltImage | undefined {
    const known = this.#ready.get(imageId);
    if (known !== undefined) return known;
    const image = this.#get(imageId);
    if (image?.state !== "ready" || image.result === undefined) return undefined;
    if (image.expiresAt === 0) this.#ready.set(imageId, image.result);
    return image.result;
  }

  #get(imageId: string): ImageRecord | undefined {
    const image = isId("im", imageId) ? this.#dependencies.store.get(imageId) : undefined;
    return image === undefined || (image.expiresAt > 0 && image.expiresAt <= this.#now()) ? undefined : image;
  }

  #requireReady(imageId: string, workspaceId: string): BuiltImage {
    const { state } = this.require(imageId, workspaceId);
    const built = this.#built(imageId);
    if (built === undefined)
      throw new LydianError("failed_precondition", `The base image ${imageId} is not ready: it is ${state}.`, { hint: "Build it first." });
    return built;
  }

  /** The recipe with everything it names looked up. */
  #buildable(recipe: StoredRecipe, secrets = this.#secretsOf(recipe)): ImageRecipe {
    const { contents, mounts } = this.#dependencies;
    const mountId = recipe.contextMountId;
    const pythonImage = mountId === undefined ? undefined : mounts.pythonImage(mountId);
    const named = mountId === undefined || pythonImage !== undefined ? [] : mounts.files(mountId);
    const context: ContextFile[] = [...named, ...recipe.files].map((file) => ({ ...file, content: { file: contents.path(file.sha256) } }));
    const bases: Record<string, BuiltImage> = {};
    for (const [name, id] of Object.entries(recipe.bases)) {
      const built = this.#built(id);
      if (built === undefined)
        throw new LydianError("failed_precondition", `The base image ${id} is not ready.`, { hint: "Build it first." });
      bases[name] = built;
    }
    const login = this.#loginOf(recipe);
    return {
      lines: recipe.lines,
      bases,
      context,
      ...(pythonImage === undefined ? {} : { contextImages: { [STANDALONE_ROOT]: pythonImage } }),
      buildArgs: recipe.buildArgs,
      ...(secrets === undefined ? {} : { secrets }),
      ...(login === undefined ? {} : { login }),
      ...(recipe.salt === undefined ? {} : { salt: recipe.salt }),
      ...(recipe.buildFunction === undefined ? {} : { finalStep: this.#runs(recipe.buildFunction) }),
    };
  }

  #runs(fn: StoredBuildFunction): FinalStep {
    const { runFunction } = this.#dependencies;
    return { title: "Running the image's function", key: fn.key, make: (target, options) => runFunction(fn, target, options) };
  }

  #loginOf({ registry }: StoredRecipe): RegistryLogin | undefined {
    if (registry === undefined) return undefined;
    const { secrets } = this.#dependencies;
    const { basis, ...login } = registryLogin(registry.kind, secrets.environment([registry.secretId]));
    return { ...login, fingerprint: secrets.fingerprint(basis) };
  }

  #secretsOf({ secretIds }: StoredRecipe): BuildSecrets | undefined {
    return secretIds && this.#dependencies.secrets.forBuild(secretIds);
  }

  #start(image: ImageRecord, appId: string, becomesCurrent: boolean): void {
    const { store } = this.#dependencies;
    const build =
      this.#running.get(image.id) ?? new RunningBuild(image.id, store, this.#now, (running) => this.#run(image, running, becomesCurrent));
    if (appId !== "") build.apps.add(appId);
    this.#running.set(image.id, build);
  }

  async #run(image: ImageRecord, build: RunningBuild, becomesCurrent: boolean): Promise<void> {
    const { store } = this.#dependencies;
    const { signal } = build.controller;
    try {
      const end = await this.#build(image, build);
      await build.storeLog();
      if (end === undefined) return;
      await store.finish(image.id, end, this.#now());
      if (end.state === "ready") {
        this.#ready.set(image.id, end.result);
        if (becomesCurrent && image.recipe.salt !== undefined) await store.makeCurrent(image);
      }
    } catch (error) {
      if (!signal.aborted) this.#dependencies.onError?.(error);
    } finally {
      this.#running.delete(image.id);
    }
  }

  /** How the build ended; undefined when only the server stops. */
  async #build(image: ImageRecord, build: RunningBuild): Promise<ImageEnd | undefined> {
    const { signal } = build.controller;
    let release: (() => void) | undefined;
    try {
      // Before its turn comes: secrets may go with the app that brought them.
      const recipe = this.#buildable(image.recipe);
      release = await this.#turn(build);
      const result = await this.#dependencies.builder.build(recipe, { onLog: build.log, signal });
      return { state: "ready", result };
    } catch (error) {
      if (signal.aborted) return this.#stopping ? undefined : { state: "cancelled" };
      const isUsers = error instanceof ImageError || LydianError.is(error);
      if (!isUsers) this.#dependencies.onError?.(error);
      return {
        state: "failed",
        failure: isUsers
          ? error.message
          : `The build failed because of an error of the server: ${error instanceof Error ? error.message : String(error)}`,
      };
    } finally {
      release?.();
    }
  }

  /** Waits until few enough builds run. The result gives the turn to the next. */
  async #turn(build: RunningBuild): Promise<() => void> {
    const { signal } = build.controller;
    const release = (): void => {
      const next = this.#queue.shift();
      if (next === undefined) this.#active -= 1;
      else next();
    };
    if (this.#active < MAX_PARALLEL_BUILDS) {
      this.#active += 1;
      return release;
    }
    build.log({ stream: "info", text: `Waiting: ${MAX_PARALLEL_BUILDS} images are being built already.` });
    await new Promise<void>((resolve, reject) => {
      this.#queue.push(resolve);
      const leave = (): void => {
        const at = this.#queue.indexOf(resolve);
        if (at >= 0) this.#queue.splice(at, 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
    });
    return release;
  }
}

/** An id from outside, for messages. */
export const shown = (imageId: string): string => JSON.stringify(imageId.slice(0, 100));
