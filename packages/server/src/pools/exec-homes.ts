// The containers of functions as places for the processes of clients; those that ended for a while too, so that what was printed can be
// read to its end.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";
import type { CalledFunction } from "../calls/functions-port.ts";
import type { PoolContainer } from "./container.ts";
import { ContainerHome } from "./exec-home.ts";

export interface ExecHomesOptions {
  /** Throws `not_found` when the container is gone. */
  readonly container: (taskId: string) => PoolContainer;
  /** What containers of the function learn with it. */
  readonly environment: (fn: CalledFunction) => Readonly<Record<string, string>>;
  readonly onUse: (container: PoolContainer) => void;
  /** Drops the processes of a container, and what they printed. */
  readonly forget: (taskId: string) => Promise<void>;
  /** A directory for each container below it. */
  readonly dir: string;
  /** Calls `fire` after so long, unless the server stops before. */
  readonly after: (ms: number, fire: () => void) => void;
  readonly onError: (what: string, error: unknown) => void;
}

const ENDED_MS = 600_000;
const MAX_ENDED = 500;

export class ExecHomes {
  readonly #options: ExecHomesOptions;
  /** By container. */
  readonly #homes = new Map<string, ContainerHome>();
  /** Containers that have ended, the oldest first. */
  readonly #ended = new Set<string>();

  constructor(options: ExecHomesOptions) {
    this.#options = options;
  }

  /** Removes what an earlier process left. */
  async recover(): Promise<void> {
    await rm(this.#options.dir, { recursive: true, force: true });
  }

  /** Throws `not_found` for what is no container of a function, or ended a while ago. */
  of(taskId: string): ContainerHome {
    const known = this.#homes.get(taskId);
    if (known !== undefined) return known;
    const { container: find, environment, onUse, dir } = this.#options;
    const container = find(taskId);
    const { fn } = container;
    if (fn === undefined) throw new LydianError("not_found", `There is no container "${taskId}".`);
    const home = new ContainerHome({
      container,
      workspaceId: fn.workspaceId,
      dir: join(dir, taskId),
      env: environment(fn),
      onUse: () => onUse(container),
    });
    this.#homes.set(taskId, home);
    void container.ended.then(() => this.#end(taskId, home));
    return home;
  }

  #end(taskId: string, home: ContainerHome): void {
    home.end();
    this.#ended.add(taskId);
    this.#options.after(ENDED_MS, () => this.#forget(taskId));
    const [oldest] = this.#ended;
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#forget(oldest);
  }

  #forget(taskId: string): void {
    if (!this.#ended.delete(taskId)) return;
    const home = this.#homes.get(taskId);
    this.#homes.delete(taskId);
    const { forget, onError } = this.#options;
    const gone = forget(taskId).then(() => home && rm(home.dir, { recursive: true, force: true }));
    gone.catch((error: unknown) => onError(`what was run in the container ${taskId} could not be removed`, error));
  }
}
