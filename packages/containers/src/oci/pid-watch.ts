// Says when a runtime has written a pid file: the container's main process exists from then on. One watch serves all containers
// of a host.

import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export class PidWatch {
  readonly #dir: string;
  readonly #waiting = new Map<string, (pid: number) => void>();
  readonly #watcher: FSWatcher;

  constructor(dir: string) {
    mkdirSync(dir, { recursive: true });
    this.#dir = dir;
    this.#watcher = watch(dir, { persistent: false }, (_, name) => {
      if (name !== null) void this.#look(name);
    });
  }

  path(name: string): string {
    return join(this.#dir, name);
  }

  /** Resolves with the pid in the file `name`. Never rejects; `forget` ends the wait. */
  wait(name: string): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting.set(name, resolve);
      void this.#look(name);
    });
  }

  forget(name: string): void {
    this.#waiting.delete(name);
  }

  async #look(name: string): Promise<void> {
    if (!this.#waiting.has(name)) return;
    const pid = Number.parseInt(await readFile(this.path(name), "utf8").catch(() => ""), 10);
    if (!(pid > 0)) return; // Not complete yet: another event follows.
    this.#waiting.get(name)?.(pid);
    this.#waiting.delete(name);
  }

  close(): void {
    this.#watcher.close();
  }
}
