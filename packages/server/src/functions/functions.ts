import {
  type AutoscalerSettings,
  AutoscalerSettingsSchema,
  create,
  type Function as FunctionDefinition,
  type FunctionOptions,
  LydianError,
} from "@lydian/protocol";
import type { AppRecord } from "../apps/store.ts";
import type { CalledFunction } from "../calls/functions-port.ts";
import { newId } from "../ids.ts";
import { applyOptions, applySettings, mergeSettings } from "./options.ts";
import { checkOurVariant } from "./our-variants.ts";
import { OUR_RUNTIME } from "./refusals.ts";
import type { Definition, FunctionStore, PublishedFunction } from "./store.ts";
import { checkName, validateDefinition } from "./validate.ts";
import type { Variant, VariantStore } from "./variants.ts";

export interface FunctionsDependencies {
  readonly store: FunctionStore;
  readonly variants: VariantStore;
  readonly app: (appId: string) => AppRecord | undefined;
  /** Throws when the image, a mount or a secret does not exist in the workspace. */
  readonly requireParts: (definition: FunctionDefinition, workspaceId: string) => void;
  /** Gets ready what its containers need, or throws why there can be none. */
  readonly prepare: (definition: FunctionDefinition) => Promise<void>;
}

interface CachedVariant {
  readonly base: CalledFunction;
  readonly record: CalledFunction;
}

/** Nothing is kept warm of a function that is not published, or no more; it may still be called by those who know its id. */
const KEPT_FOR_NOBODY = create(AutoscalerSettingsSchema, { minContainers: 0, bufferContainers: 0 });
const MAX_CACHED = 10_000;
const MAX_PARAMS_BYTES = 2 << 20;
const NO_PARAMS = new Uint8Array();

export class Functions {
  readonly #d: FunctionsDependencies;
  readonly #cache = new Map<string, CalledFunction>();
  readonly #variants = new Map<string, CachedVariant>();

  constructor(dependencies: FunctionsDependencies) {
    this.#d = dependencies;
  }

  /** With its current definition. Undefined for an unknown id and for one that is only reserved. */
  get(functionId: string): CalledFunction | undefined {
    return this.#cache.get(functionId) ?? this.#variant(functionId) ?? this.#load(functionId);
  }

  require(functionId: string, workspaceId: string): CalledFunction {
    const record = this.get(functionId);
    if (record?.workspaceId === workspaceId) return record;
    throw new LydianError("not_found", `There is no function ${JSON.stringify(functionId.slice(0, 100))}.`);
  }

  /** An id for a name, before the function is known. */
  async reserve(app: AppRecord, name: string): Promise<string> {
    checkName(name);
    return this.#d.store.reserve(newId("fu"), app.id, name);
  }

  /** The function as the definition says, which is current already or with the next publishing. */
  async define(app: AppRecord, definition: FunctionDefinition, existingId: string): Promise<CalledFunction> {
    validateDefinition(definition);
    this.#d.requireParts(definition, app.workspaceId);
    await this.#d.prepare(definition);
    const id = await this.reserve(app, definition.functionName);
    if (existingId !== "" && existingId !== id) {
      throw new LydianError(
        "invalid_argument",
        `The function ${JSON.stringify(definition.functionName)} of this app has the id ${id}, not ${JSON.stringify(existingId)}.`,
      );
    }
    const definitionId = await this.#d.store.define(id, definition);
    this.#cache.delete(id);
    return record(app, id, definition.functionName, { id: definitionId, definition });
  }

  /** The same variant for the same arguments and options, whoever asks and whenever. */
  async bind(base: CalledFunction, params: Uint8Array, options: FunctionOptions): Promise<CalledFunction> {
    if (this.baseIdOf(base.id) !== "")
      throw new LydianError("invalid_argument", `The function ${base.id} is a variant itself; bind ${this.baseIdOf(base.id)} instead.`);
    if (params.length > MAX_PARAMS_BYTES) {
      const message = `The parameters of ${JSON.stringify(base.name)} have ${params.length} bytes; they may have ${MAX_PARAMS_BYTES}. Pass large values to its methods.`;
      throw new LydianError("invalid_argument", message);
    }
    const merged = applyOptions(base.definition, options);
    if (base.definition.runtime === OUR_RUNTIME) checkOurVariant(base.definition, merged, params);
    validateDefinition(merged);
    this.#d.requireParts(merged, base.workspaceId);
    const id = await this.#d.variants.bind({ id: newId("fu"), baseId: base.id, params, options });
    const variant = this.get(id);
    if (variant === undefined) throw new LydianError("internal", `The variant ${id} is lost.`);
    return variant;
  }

  /** Of a variant; empty for everything else. */
  baseIdOf(functionId: string): string {
    return this.#variants.get(functionId)?.base.id ?? this.#d.variants.get(functionId)?.baseId ?? "";
  }

  /** Changes the autoscaler's settings until the next publishing. Returns the function as it is then. */
  async setSettings(fn: CalledFunction, changes: AutoscalerSettings): Promise<CalledFunction> {
    const { stored, variant } = this.#stored(fn.id);
    validateDefinition(applySettings(fn.definition, changes));
    await this.#d.store.setSettings(fn.id, mergeSettings((variant ?? stored)?.settings, changes));
    this.#forget(fn.id);
    return this.get(fn.id) ?? fn;
  }

  /** What the definition says, and what was changed since it was published. */
  settings(functionId: string): { readonly own: FunctionDefinition | undefined; readonly changed: AutoscalerSettings | undefined } {
    const { stored, variant } = this.#stored(functionId);
    if (variant === undefined) return { own: stored?.current?.definition, changed: stored?.settings };
    const base = this.get(variant.baseId);
    return { own: base && applyOptions(base.definition, variant.options), changed: variant.settings };
  }

  /** Throws when a function cannot be published under its name with its definition. Returns what to give to `store.publish`. */
  checkLayout(
    app: AppRecord,
    functionIds: Readonly<Record<string, string>>,
    definitionIds: Readonly<Record<string, string>>,
  ): (PublishedFunction & { readonly name: string })[] {
    return Object.entries(functionIds).map(([name, id]) => {
      const stored = this.#d.store.get(id);
      const shown = JSON.stringify(name.slice(0, 200));
      if (stored?.appId !== app.id || stored.current === undefined)
        throw invalid(`The function ${shown} is published with ${JSON.stringify(id)}, which is no function of the app ${app.id}.`);
      if (stored.name !== name)
        throw invalid(`The function ${id} was created as ${JSON.stringify(stored.name)}; it cannot be published as ${shown}.`);
      const definitionId = definitionIds[id] ?? "";
      if (definitionId !== "" && this.#d.store.definition(id, definitionId) === undefined)
        throw invalid(`The function ${shown} has no definition ${JSON.stringify(definitionId)}; create it again.`);
      return { id, name, definitionId };
    });
  }

  /** To be called after their layout was stored. */
  published(ids: readonly string[]): void {
    for (const id of ids) this.#forget(id);
  }

  /** The functions of an app that were published. */
  ofLayout(appId: string): CalledFunction[] {
    return this.#d.store.published(appId).flatMap(({ id }) => this.get(id) ?? []);
  }

  #stored(id: string) {
    const variant = this.#d.variants.get(id);
    return { variant, stored: variant === undefined ? this.#d.store.get(id) : undefined };
  }

  #load(id: string): CalledFunction | undefined {
    const { stored, variant } = this.#stored(id);
    if (variant !== undefined) return this.#make(variant);
    const app = stored && this.#d.app(stored.appId);
    if (!stored?.current || !app) return undefined;
    const { current, settings, isPublished } = stored;
    const published = applySettings(current.definition, settings);
    const definition = isPublished ? published : applySettings(published, KEPT_FOR_NOBODY);
    return remember(this.#cache, id, record(app, id, stored.name, { id: current.id, definition }));
  }

  /** Follows its base: when that is another, so is the variant. */
  #variant(id: string): CalledFunction | undefined {
    const known = this.#variants.get(id);
    if (known === undefined) return undefined;
    if (this.get(known.base.id) === known.base) return known.record;
    const variant = this.#d.variants.get(id);
    return variant && this.#make(variant);
  }

  #make({ id, baseId, params, options, settings }: Variant): CalledFunction | undefined {
    const base = this.get(baseId);
    if (base === undefined) return undefined;
    const definition = applySettings(applyOptions(base.definition, options), settings);
    return remember(this.#variants, id, { base, record: { ...base, id, definition, params } }).record;
  }

  #forget(id: string): void {
    this.#cache.delete(id);
    this.#variants.delete(id);
  }
}

const record = (app: AppRecord, id: string, name: string, { id: definitionId, definition }: Definition): CalledFunction => ({
  id,
  appId: app.id,
  workspaceId: app.workspaceId,
  environmentId: app.environmentId,
  name,
  definition,
  definitionId,
  params: NO_PARAMS,
});

function remember<T>(cache: Map<string, T>, id: string, value: T): T {
  cache.set(id, value);
  if (cache.size > MAX_CACHED) cache.delete(cache.keys().next().value as string);
  return value;
}

const invalid = (message: string) => new LydianError("invalid_argument", message);
