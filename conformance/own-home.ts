// A home of the file's own for `lydian run`: its settings, its embedded server and that server's data are nobody else's.
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import { shareLayers } from "./cache.ts";

export class OwnHome {
  #dir = "";

  /** To be called once, outside of tests. */
  constructor() {
    beforeAll(async () => {
      this.#dir = await mkdtemp("/var/tmp/lydian-home-");
      await mkdir(join(this.#dir, "data"), { mode: 0o700 });
      await shareLayers(join(this.#dir, "data"));
    });
    afterAll(async () => {
      await this.#endServer();
      await rm(this.#dir, { recursive: true, force: true, maxRetries: 3 });
    });
  }

  /** For commands. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, LYDIAN_HOME: this.#dir };
  }

  /** The embedded server is no child of ours: whether it is there is asked with signal 0. */
  async #endServer(): Promise<void> {
    const record = await readFile(join(this.#dir, "data/server.json"), "utf8").catch(() => undefined);
    if (record === undefined) return;
    const { pid } = JSON.parse(record) as { pid: number };
    try {
      process.kill(pid, "SIGTERM");
      for (;;) {
        process.kill(pid, 0);
        await sleep(50);
      }
    } catch {
      // It has ended.
    }
  }
}
