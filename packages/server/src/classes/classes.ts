// Classes. One is a name and an id: what it does is the function "Name.*", which serves all of its methods.
import { LydianError } from "@lydian/protocol";
import type { AppRecord } from "../apps/store.ts";
import { newId } from "../ids.ts";
import type { ClassRecord, ClassStore } from "./store.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_.$-]{0,126}$/;

/** The name of the function that serves a class. */
export const serviceFunctionOf = (className: string): string => `${className}.*`;

export class Classes {
  readonly #store: ClassStore;

  constructor(store: ClassStore) {
    this.#store = store;
  }

  /** A redeployment names the id that the class has; otherwise there is a new one, which gets its name when it is published. */
  async create(app: AppRecord, existingId: string, idempotencyKey: string): Promise<string> {
    if (existingId === "") return this.#store.insert(newId("cs"), app.id, idempotencyKey);
    return this.#require(existingId, app.id).id;
  }

  ofLayout(appId: string): ClassRecord[] {
    return this.#store.published(appId);
  }

  /** Throws when these cannot be the classes of the app, with these functions. */
  checkLayout(app: AppRecord, classIds: Readonly<Record<string, string>>, functionIds: Readonly<Record<string, string>>): void {
    for (const [name, id] of Object.entries(classIds)) {
      const shown = JSON.stringify(name.slice(0, 200));
      if (!NAME.test(name)) throw invalid(`${shown} is not a name of a class: 1 to 127 letters, digits, or any of "_.$-".`);
      const known = this.#require(id, app.id);
      if (known.name !== "" && known.name !== name)
        throw invalid(`The class ${id} was published as ${JSON.stringify(known.name)}; it cannot be published as ${shown}.`);
      if (functionIds[serviceFunctionOf(name)] === undefined)
        throw invalid(`The class ${shown} is published without its function ${JSON.stringify(serviceFunctionOf(name))}; publish both.`);
    }
  }

  #require(id: string, appId: string): ClassRecord {
    const record = this.#store.get(id);
    if (record?.appId === appId) return record;
    throw new LydianError("not_found", `The app ${appId} has no class ${JSON.stringify(id.slice(0, 100))}.`);
  }
}

const invalid = (message: string) => new LydianError("invalid_argument", message);
