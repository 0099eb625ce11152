// Freezes sandboxes that nobody needs: what is left in the background, a server that nobody asks, uses no processor then.
//
// Only those that have no command of their own, and only after a time in which no process of a client ran, nothing was connected, and what is in
// the background used next to nothing. A command, or a further container, may wait for a time of day that nobody sees from outside: neither is ever frozen unasked.
import type { Deadlines } from "../calls/deadlines.ts";
import type { Sandbox } from "./sandbox.ts";

export interface IdleFreezeOptions {
  /** 0: never. */
  readonly afterMs: number;
  readonly deadlines: Pick<Deadlines, "add">;
  readonly now: () => number;
  readonly onError: (what: string, error: unknown) => void;
}

/** Of one processor. */
const BUSY_SHARE = 0.01;

export class IdleFreeze {
  readonly #options: IdleFreezeOptions;
  readonly #watched = new WeakSet<Sandbox>();

  constructor(options: IdleFreezeOptions) {
    this.#options = options;
  }

  /** It runs, and may be unused from now on. */
  watch(sandbox: Sandbox): void {
    if (this.#options.afterMs === 0 || sandbox.resolved.command.length > 0 || this.#watched.has(sandbox)) return;
    if (!sandbox.live || sandbox.unusedSince === undefined) return;
    this.#watched.add(sandbox);
    this.#measure(sandbox).catch((error: unknown) => {
      this.#watched.delete(sandbox);
      if (sandbox.live) this.#options.onError(`the idle sandbox ${sandbox.id} could not be frozen`, error);
    });
  }

  async #measure(sandbox: Sandbox): Promise<void> {
    const { afterMs, deadlines, now } = this.#options;
    const { container } = await sandbox.started;
    for (;;) {
      const [since, from] = [sandbox.unusedSince, now()];
      const before = await container.stats();
      await new Promise<void>((resolve) => deadlines.add(from + afterMs, resolve));
      if (!sandbox.live || sandbox.unusedSince === undefined || sandbox.freezer.isFrozen) break;
      const usedMs = (await container.stats()).cpuMs - before.cpuMs;
      const isQuiet = () =>
        sandbox.live && since !== undefined && sandbox.unusedSince === since && sandbox.isReady && sandbox.beside.size === 0;
      if (!isQuiet() || usedMs > (now() - from) * BUSY_SHARE) continue;
      await sandbox.freezer.freeze(isQuiet);
      if (sandbox.freezer.isFrozen) break;
    }
    // Whoever uses it next has it watched again.
    this.#watched.delete(sandbox);
  }
}
