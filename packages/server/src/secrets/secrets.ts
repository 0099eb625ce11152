// Named sets of environment variables: kept sealed, given to containers, told to nobody else.
import type { BuildSecrets } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import { newId } from "../ids.ts";
import { checkSecretName, checkVariables } from "./rules.ts";
import type { Seal } from "./seal.ts";
import type { SecretRecord, SecretStore } from "./store.ts";

export type Variables = Readonly<Record<string, string>>;

/** What becomes of a secret that has the name already: it stays, it gets the new variables, or the request fails. */
export type Existing = "keep" | "replace" | "refuse";

export interface SecretPlace {
  readonly workspaceId: string;
  readonly environmentId: string;
}

export interface SecretsDependencies {
  readonly store: SecretStore;
  readonly seal: Seal;
  readonly onError: (what: string, error: unknown) => void;
  readonly now?: () => number;
}

const DAY_MS = 86_400_000;

export class Secrets {
  readonly #store: SecretStore;
  readonly #seal: Seal;
  readonly #onError: (what: string, error: unknown) => void;
  readonly #now: () => number;

  constructor({ store, seal, onError, now = Date.now }: SecretsDependencies) {
    this.#store = store;
    this.#seal = seal;
    this.#onError = onError;
    this.#now = now;
  }

  find({ environmentId }: SecretPlace, name: string): SecretRecord | undefined {
    return this.#store.byName(environmentId, name);
  }

  /** Throws `not_found` for one that is unknown or of another workspace. */
  require(id: string, workspaceId: string): SecretRecord {
    const record = this.#store.get(id);
    if (record?.workspaceId === workspaceId) return record;
    throw new LydianError("not_found", `There is no secret ${JSON.stringify(id.slice(0, 100))}.`);
  }

  /** One with these variables, or what `existing` says of the one that has the name already. */
  async createNamed(
    place: SecretPlace,
    name: string,
    variables: Variables,
    { existing, idempotencyKey }: { readonly existing: Existing; readonly idempotencyKey: string },
  ): Promise<SecretRecord> {
    checkSecretName(name);
    checkVariables(variables);
    const taken = (known: SecretRecord) => {
      if (existing === "keep") return known;
      if (existing === "replace") return this.#write(known, () => variables);
      throw new LydianError("already_exists", `The secret ${JSON.stringify(name)} exists already.`, {
        hint: "Replace it with `lydian secret create --force`, or delete it first.",
        officialHint: "Replace it with `modal secret create --force`, or delete it first.",
      });
    };
    const known = this.find(place, name);
    // What a repeated request made is there already, and is no obstacle to itself.
    if (known !== undefined && (existing !== "refuse" || idempotencyKey === "")) return taken(known);
    try {
      return await this.#insert({ ...place, name, appId: "" }, variables, idempotencyKey);
    } catch (error) {
      const other = this.find(place, name);
      if (other === undefined) throw error;
      return taken(other);
    }
  }

  /** It goes with the app. */
  createForApp(place: SecretPlace, appId: string, variables: Variables, idempotencyKey: string): Promise<SecretRecord> {
    checkVariables(variables);
    return this.#insert({ ...place, name: "", appId }, variables, idempotencyKey);
  }

  /** For something that a program makes by itself, such as a sandbox: no client tells when it is needed no longer. */
  createForADay(place: SecretPlace, variables: Variables, idempotencyKey: string): Promise<SecretRecord> {
    checkVariables(variables);
    const before = this.#now() - DAY_MS;
    this.#store.deleteUnowned(before).catch((error: unknown) => this.#onError("secrets that are over could not be deleted", error));
    return this.#insert({ ...place, name: "", appId: "" }, variables, idempotencyKey);
  }

  /** `undefined` removes a variable. */
  async update(record: SecretRecord, changes: ReadonlyMap<string, string | undefined>): Promise<void> {
    await this.#write(record, (read) => {
      const variables: Record<string, string> = { ...read() };
      for (const [key, value] of changes) {
        if (value === undefined) delete variables[key];
        else variables[key] = value;
      }
      checkVariables(variables);
      return variables;
    });
  }

  async delete(record: SecretRecord): Promise<void> {
    await this.#store.delete(record.id);
  }

  list(environmentId: string, createdBefore: number, limit: number): SecretRecord[] {
    return this.#store.list(environmentId, createdBefore, limit);
  }

  /** The first of these that no longer exists. */
  missing(ids: readonly string[]): string | undefined {
    return ids.find((id) => this.#store.get(id) === undefined);
  }

  /** The variables of several secrets, for a container; of one name the last counts. */
  environment(ids: readonly string[]): Record<string, string> {
    if (ids.length === 0) return {};
    this.#store.used(ids, this.#now()).catch((error: unknown) => this.#onError("the last use of secrets could not be noted", error));
    return Object.assign({}, ...ids.map((id) => this.#variables(id))) as Record<string, string>;
  }

  /** The variables for the steps of an image. */
  forBuild(ids: readonly string[]): BuildSecrets {
    const env = this.environment(ids);
    const sorted = Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1));
    return { env, fingerprint: this.#seal.fingerprint(JSON.stringify(sorted)) };
  }

  /** Tells nothing of a text, and differs when it does; another server's differ from this one's. */
  fingerprint(text: string): string {
    return this.#seal.fingerprint(text);
  }

  forgetApp(appId: string): void {
    this.#store.deleteOfApp(appId).catch((error: unknown) => this.#onError(`the secrets of ${appId} could not be deleted`, error));
  }

  async #insert(
    place: SecretPlace & { readonly name: string; readonly appId: string },
    variables: Variables,
    idempotencyKey: string,
  ): Promise<SecretRecord> {
    const record = { id: newId("st"), ...place, keys: Object.keys(variables).sort(), createdAt: this.#now(), lastUsedAt: 0 };
    const id = await this.#store.insert(record, this.#close(record.id, variables), idempotencyKey);
    return id === record.id ? record : this.require(id, place.workspaceId);
  }

  async #write(record: SecretRecord, change: (read: () => Variables) => Variables): Promise<SecretRecord> {
    const keys = await this.#store.update(record.id, (sealed) => {
      const variables = change(() => this.#open(record.id, sealed));
      return { keys: Object.keys(variables).sort(), sealed: this.#close(record.id, variables) };
    });
    return { ...record, keys };
  }

  #close(id: string, variables: Variables): Uint8Array {
    return this.#seal.close(id, JSON.stringify(variables));
  }

  #variables(id: string): Variables {
    const sealed = this.#store.sealed(id);
    if (sealed === undefined) throw new LydianError("not_found", `The secret ${id} no longer exists.`);
    return this.#open(id, sealed);
  }

  #open(id: string, sealed: Uint8Array): Variables {
    return JSON.parse(this.#seal.open(id, sealed)) as Variables;
  }
}
