// Says when a file with a number has been written: by a runtime, the pid of a container's main process, which exists from then on; by
// the shell that waits for a runtime, the code with which it has ended. One watch serves all containers of a host.

import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";

export class PidWatch {
  readonly #dir: string;
  readonly #waiting = new Map<string, { readonly least: number; readonly resolve: (value: number) => void }>();
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

  /** Resolves with the number in the file `name`, if it is at least `least`. Never rejects; `forget` ends the wait. */
  wait(name: string, least = 1): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting.set(name, { least, resolve });
      void this.#look(name);
    });
  }

  has(name: string): Promise<boolean> {
    return access(this.path(name)).then(
      () => true,
      () => false,
    );
  }

  forget(name: string): void {
    this.#waiting.delete(name);
  }

  async #look(name: string): Promise<void> {
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return;
    const value = Number.parseInt(await readFile(this.path(name), "utf8").catch(() => ""), 10);
    if (!(value >= waiting.least)) return; // Not complete yet: another event follows.
    waiting.resolve(value);
    this.#waiting.delete(name);
  }

  close(): void {
    this.#watcher.close();
  }
}
