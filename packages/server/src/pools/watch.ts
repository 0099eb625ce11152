// Tells watchers of an app what its pools are, when that changes, at most ten times a second.
import type { ContainerStartedSchema, MessageInitShape, PoolStateSchema } from "@lydian/protocol";
import type { Clock, Deadlines } from "../calls/deadlines.ts";

export type PoolStateInit = MessageInitShape<typeof PoolStateSchema>;
export type ContainerStartedInit = MessageInitShape<typeof ContainerStartedSchema>;

export interface AppNews {
  readonly pools: PoolStateInit[];
  /** Containers that became ready since the last news. */
  readonly started: ContainerStartedInit[];
}

const MIN_INTERVAL_MS = 100;
/** A watcher that reads nothing is told of the latest of these. */
const MAX_STARTED = 200;

class Watcher {
  changed = true;
  ended = false;
  readonly started: ContainerStartedInit[] = [];
  wake: (() => void) | undefined;

  note(): void {
    this.changed = true;
    this.wake?.();
  }
}

export class AppWatch {
  readonly #watchers = new Map<string, Set<Watcher>>();
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;

  constructor(clock: Clock, deadlines: Deadlines) {
    this.#clock = clock;
    this.#deadlines = deadlines;
  }

  changed(appId: string): void {
    const watchers = this.#watchers.get(appId);
    if (watchers !== undefined) for (const watcher of watchers) watcher.note();
  }

  started(appId: string, started: ContainerStartedInit): void {
    for (const watcher of this.#watchers.get(appId) ?? []) {
      watcher.started.push(started);
      if (watcher.started.length > MAX_STARTED) watcher.started.shift();
      watcher.note();
    }
  }

  /** The app has stopped: its watchers get the last news and the end. */
  end(appId: string): void {
    for (const watcher of this.#watchers.get(appId) ?? []) {
      watcher.ended = true;
      watcher.note();
    }
  }

  /** The state now, then whenever it changes, until the app stops or a signal aborts. */
  async *watch(appId: string, read: () => PoolStateInit[], signals: readonly AbortSignal[]): AsyncGenerator<AppNews> {
    const watcher = new Watcher();
    const watchers = this.#watchers.get(appId) ?? new Set();
    this.#watchers.set(appId, watchers.add(watcher));
    const wake = () => watcher.wake?.();
    for (const signal of signals) signal.addEventListener("abort", wake);
    try {
      while (!signals.some((signal) => signal.aborted)) {
        watcher.changed = false;
        const { ended } = watcher;
        const yieldedAt = this.#clock.now();
        yield { pools: read(), started: watcher.started.splice(0) };
        if (ended) return;
        if (!watcher.changed) await this.#news(watcher);
        // What changes meanwhile comes along.
        await this.#pause(watcher, yieldedAt + MIN_INTERVAL_MS);
      }
    } finally {
      for (const signal of signals) signal.removeEventListener("abort", wake);
      watchers.delete(watcher);
      if (watchers.size === 0) this.#watchers.delete(appId);
    }
  }

  #news(watcher: Watcher): Promise<void> {
    return new Promise((resolve) => {
      watcher.wake = resolve;
    });
  }

  #pause(watcher: Watcher, until: number): Promise<void> {
    watcher.wake = undefined;
    if (this.#clock.now() >= until || watcher.ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#deadlines.add(until, resolve);
    });
  }
}
