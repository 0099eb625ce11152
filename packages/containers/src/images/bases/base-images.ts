// From the name in FROM to an image. In this order: what the name meant before on this machine; the mirror of its registry; its
// registry; for well-known names, the recipe that needs no registry.
import { ImageError, reasonOf, throwIfCancelled } from "../errors.ts";
import type { BuiltImage, OnBuildLog } from "../image.ts";
import type { LayerStore } from "../layer-store.ts";
import type { RegistryLogin } from "../registry/client.ts";
import { pullImage } from "../registry/pull.ts";
import { isReachable, registryUrl } from "../registry/reachable.ts";
import { DOCKER_HUB, formatReference, type ImageReference, parseReference, registryName } from "../registry/reference.ts";
import { TagMemory } from "../tag-memory.ts";
import { type BaseRecipe, makeBase, recipeFor, recipesBeside } from "./recipes.ts";

export interface BaseImagesOptions {
  readonly store: LayerStore;
  /** Registry of the npm packages that make a Node layer. Default: what npm on this machine is configured to use. */
  readonly npmRegistry?: string;
  /** By registry: the URL of one that is asked first, for whatever it has. It never gets a login. */
  readonly mirrors?: Readonly<Record<string, string>>;
  /** "never": Docker Hub itself is not asked. */
  readonly hub?: "never";
}

export interface ResolveOptions {
  readonly onLog: OnBuildLog;
  readonly signal?: AbortSignal;
  /** For a registry that gives the image to nobody without one. */
  readonly login?: RegistryLogin;
  /** Do not use what the name meant before. Default false. */
  readonly refresh?: boolean;
}

/** How long a registry may take to answer before its images are made here, and how long that is remembered. */
const ANSWER_MS = 3_000;
const MEMORY_MS = 300_000;

export class BaseImages {
  readonly #options: BaseImagesOptions;
  readonly #tags: TagMemory;
  /** URLs by registry. */
  readonly #mirrors: ReadonlyMap<string, string>;
  /** By address: of mirrors, and of the registries that recipes stand in for. */
  readonly #answers = new Map<string, { readonly reachable: Promise<boolean>; readonly until: number }>();

  constructor(options: BaseImagesOptions) {
    this.#options = options;
    this.#tags = new TagMemory(options.store);
    const mirrors = Object.entries(options.mirrors ?? {});
    this.#mirrors = new Map(mirrors.map(([registry, url]) => [registryName(registry) ?? registry, url.replace(/\/+$/, "")]));
  }

  /** The image of `name` if nothing has to be made or fetched for it. */
  async remembered(name: string, login?: RegistryLogin): Promise<BuiltImage | undefined> {
    return this.#recall(formatReference(parseReference(name)), login);
  }

  async resolve(name: string, options: ResolveOptions): Promise<BuiltImage> {
    const reference = parseReference(name);
    const fullName = formatReference(reference);
    const before = options.refresh === true ? undefined : await this.#recall(fullName, options.login);
    if (before !== undefined) return before;
    const mirrored = await this.#fromMirror(name, reference, options);
    if (mirrored !== undefined) {
      await this.#tags.set(memoryKey(fullName, undefined), mirrored);
      return mirrored;
    }
    const recipe = recipeFor(reference);
    const isNoRegistrys = recipe !== undefined && "standalone" in recipe;
    const image = isNoRegistrys
      ? await makeBase(recipe, this.#options.store, options)
      : reference.registry === DOCKER_HUB || recipe !== undefined
        ? await this.#pullOrMake(name, reference, recipe, options)
        : await this.#pull(name, reference, registryUrl(reference.registry), options);
    await this.#tags.set(memoryKey(fullName, options.login), image);
    return image;
  }

  /** Undefined when there is no mirror, or it does not give the image. A mirror need not have everything. */
  async #fromMirror(name: string, reference: ImageReference, { login: _, ...options }: ResolveOptions): Promise<BuiltImage | undefined> {
    const url = this.#mirrors.get(reference.registry);
    if (url === undefined || !(await this.#isReachable(url))) return undefined;
    throwIfCancelled(options.signal);
    try {
      return await this.#pull(name, reference, url, options);
    } catch (error) {
      if (!(error instanceof ImageError) || error.kind === "cancelled") throw error;
      options.onLog({ stream: "info", text: `The mirror ${new URL(url).host} did not give ${name}: ${reasonOf(error)}` });
      return undefined;
    }
  }

  /** What was pulled with a login is nothing for those who have another one, or none; what is had without one is for all. */
  async #recall(fullName: string, login: RegistryLogin | undefined): Promise<BuiltImage | undefined> {
    const withLogin = login === undefined ? undefined : await this.#tags.get(memoryKey(fullName, login));
    return withLogin ?? this.#tags.get(memoryKey(fullName, undefined));
  }

  async #pullOrMake(name: string, reference: ImageReference, recipe: BaseRecipe | undefined, options: ResolveOptions): Promise<BuiltImage> {
    const url = registryUrl(reference.registry);
    const isOff = reference.registry === DOCKER_HUB && this.#options.hub === "never";
    const reachable = !isOff && (await this.#isReachable(url));
    throwIfCancelled(options.signal);
    if (reachable) {
      try {
        return await this.#pull(name, reference, url, options);
      } catch (error) {
        const canBeMade = recipe !== undefined && error instanceof ImageError && (error.kind === "unreachable" || error.kind === "corrupt");
        if (!canBeMade) throw error;
        options.onLog({ stream: "info", text: `${new URL(url).host} did not give ${name} (${reasonOf(error)}); making it here.` });
      }
    }
    if (recipe === undefined) {
      const tried = isOff ? "Docker Hub is switched off by configuration" : "Docker Hub could not be reached from this machine";
      throw new ImageError(
        "unreachable",
        `The image "${name}" cannot be had: ${tried}, and there is no built-in recipe for it. Use one of ${recipesBeside(reference)}, or name a registry that is reachable, e.g. "registry.example.com/${name}".`,
      );
    }
    return makeBase(recipe, this.#options.store, {
      ...options,
      ...(this.#options.npmRegistry === undefined ? {} : { npmRegistry: this.#options.npmRegistry }),
    });
  }

  #pull(name: string, reference: ImageReference, url: string, options: ResolveOptions): Promise<BuiltImage> {
    return pullImage({
      name,
      reference,
      url,
      store: this.#options.store,
      onLog: options.onLog,
      ...(options.login === undefined ? {} : { login: options.login }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  #isReachable(url: string): Promise<boolean> {
    const known = this.#answers.get(url);
    if (known !== undefined && known.until >= Date.now()) return known.reachable;
    const reachable = isReachable(url, ANSWER_MS);
    this.#answers.set(url, { reachable, until: Date.now() + MEMORY_MS });
    return reachable;
  }
}

const memoryKey = (fullName: string, login: RegistryLogin | undefined): string =>
  login === undefined ? fullName : `${fullName} for ${login.fingerprint}`;
