// The names of sandboxes that live: each is given once in its app.
import { LydianError } from "@lydian/protocol";

export class SandboxNames {
  /** App and name → id. */
  readonly #ids = new Map<string, string>();

  /** The sandbox that has the name; undefined when none that lives does. */
  get(appId: string, name: string): string | undefined {
    return this.#ids.get(keyOf(appId, name));
  }

  /** Returns what gives it back. Throws `already_exists`. No effect without a name. */
  reserve(appId: string, name: string, id: string): () => void {
    if (name === "") return () => {};
    const holder = this.get(appId, name);
    if (holder !== undefined)
      throw new LydianError(
        "already_exists",
        `A sandbox of the name ${JSON.stringify(name)} already exists in this app: ${holder}, which runs.`,
        {
          hint: "Terminate it first, or choose another name.",
        },
      );
    this.#ids.set(keyOf(appId, name), id);
    return () => this.free(appId, name, id);
  }

  free(appId: string, name: string, id: string): void {
    if (this.get(appId, name) === id) this.#ids.delete(keyOf(appId, name));
  }
}

const keyOf = (appId: string, name: string): string => `${appId}/${name}`;
