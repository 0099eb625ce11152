// What programs import. Everything behind it is loaded with the first sandbox: a program that makes none does not pay for it.
import type { ListSandboxesOptions, SandboxFromNameOptions } from "./find-sandboxes.ts";
import type { SandboxHandle } from "./sandbox-handle.ts";
import type { SandboxOptions } from "./sandbox-options.ts";

/** A container that a program creates, talks to and ends. */
export type Sandbox = SandboxHandle;

/**
 * Containers for code that is not known before: an agent's, a user's, a build's.
 *
 * @example
 * await using sandbox = await Sandbox.create({ app: "agents", image: Image.debianSlim() });
 * const { stdout } = await sandbox.exec(["uname", "-s"]);
 */
export const Sandbox = {
  /** Resolves when it runs. Leaving an `await using` scope terminates it. */
  async create(options: SandboxOptions = {}): Promise<Sandbox> {
    return (await import("./create-sandbox.ts")).createSandbox(options);
  },

  /** Throws NotFoundError when there is no such sandbox. One that has ended can be asked how. */
  async fromId(id: string): Promise<Sandbox> {
    return (await import("./sandbox-handle.ts")).sandboxFromId(id);
  },

  /** The one that runs under this name. Throws NotFoundError when there is none. */
  async fromName(app: string, name: string, options: SandboxFromNameOptions = {}): Promise<Sandbox> {
    return (await import("./find-sandboxes.ts")).sandboxFromName(app, name, options);
  },

  /** Those that run, newest first, over as many requests as it takes. */
  async *list(options: ListSandboxesOptions = {}): AsyncGenerator<Sandbox, void, undefined> {
    yield* (await import("./find-sandboxes.ts")).listSandboxes(options);
  },
};
