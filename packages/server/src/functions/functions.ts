import { type Function as FunctionDefinition, LydianError } from "@lydian/protocol";
import type { AppRecord } from "../apps/store.ts";
import type { CalledFunction } from "../calls/functions-port.ts";
import { newId } from "../ids.ts";
import type { FunctionStore } from "./store.ts";
import { checkName, validateDefinition } from "./validate.ts";

export interface FunctionsDependencies {
  readonly store: FunctionStore;
  readonly app: (appId: string) => AppRecord | undefined;
  /** Throws when the image or a mount does not exist in the workspace. */
  readonly requireParts: (definition: FunctionDefinition, workspaceId: string) => void;
}

const MAX_CACHED = 10_000;
const NO_PARAMS = new Uint8Array();

export class Functions {
  readonly #d: FunctionsDependencies;
  readonly #cache = new Map<string, CalledFunction>();

  constructor(dependencies: FunctionsDependencies) {
    this.#d = dependencies;
  }

  /** Undefined for an unknown id and for one that is only reserved. */
  get(functionId: string): CalledFunction | undefined {
    const cached = this.#cache.get(functionId);
    if (cached) return cached;
    const stored = this.#d.store.get(functionId);
    const app = stored && this.#d.app(stored.appId);
    if (!stored?.definition || !app) return undefined;
    return this.#remember({
      id: stored.id,
      appId: stored.appId,
      workspaceId: app.workspaceId,
      environmentId: app.environmentId,
      name: stored.name,
      definition: stored.definition,
      definitionId: "",
      params: NO_PARAMS,
    });
  }

  require(functionId: string, workspaceId: string): CalledFunction {
    const record = this.get(functionId);
    if (record?.workspaceId === workspaceId) return record;
    throw new LydianError("not_found", `There is no function ${JSON.stringify(functionId)}.`);
  }

  /** An id for a name, before the function is known. */
  async reserve(app: AppRecord, name: string): Promise<string> {
    checkName(name);
    return this.#d.store.reserve(newId("fu"), app.id, name);
  }

  async define(app: AppRecord, definition: FunctionDefinition, existingId: string): Promise<CalledFunction> {
    validateDefinition(definition);
    this.#d.requireParts(definition, app.workspaceId);
    const id = await this.reserve(app, definition.functionName);
    if (existingId !== "" && existingId !== id) {
      throw new LydianError(
        "invalid_argument",
        `The function ${JSON.stringify(definition.functionName)} of this app has the id ${id}, not ${JSON.stringify(existingId)}.`,
      );
    }
    await this.#d.store.define(id, definition);
    return this.#remember({
      id,
      appId: app.id,
      workspaceId: app.workspaceId,
      environmentId: app.environmentId,
      name: definition.functionName,
      definition,
      definitionId: "",
      params: NO_PARAMS,
    });
  }

  async publish(app: AppRecord, functionIds: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, id] of Object.entries(functionIds)) {
      const record = this.get(id);
      if (record?.appId !== app.id)
        throw new LydianError(
          "invalid_argument",
          `The function ${JSON.stringify(name)} is published with ${JSON.stringify(id)}, which is no function of the app ${app.id}.`,
        );
      if (record.name !== name)
        throw new LydianError(
          "invalid_argument",
          `The function ${id} was created as ${JSON.stringify(record.name)}; it cannot be published as ${JSON.stringify(name)}.`,
        );
    }
    await this.#d.store.publish(app.id, Object.values(functionIds));
  }

  /** The functions of an app that were published. */
  published(appId: string): CalledFunction[] {
    return this.#d.store.ofApp(appId).flatMap(({ id, isPublished }) => (isPublished ? (this.get(id) ?? []) : []));
  }

  #remember(record: CalledFunction): CalledFunction {
    this.#cache.set(record.id, record);
    if (this.#cache.size > MAX_CACHED) this.#cache.delete(this.#cache.keys().next().value as string);
    return record;
  }
}
