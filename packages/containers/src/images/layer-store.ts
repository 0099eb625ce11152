// Layers are plain directories: an overlay mount can use them as they are, and a person can look into them.
//
//   <dir>/<id>        a finished layer, never changed again
//   <dir>/.tmp/…       one being made, named after its process; renamed into place when complete and on disk
//   <dir>/.tags/       what image names have been resolved to (tag-memory.ts)
//
// A name in <dir> therefore means a whole layer, after a crash too. Processes may share a store.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdir, open, readdir, readFile, realpath, rename, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ImageError, throwIfCancelled } from "./errors.ts";

export interface LayerStoreOptions {
  /** Created when missing, with its parents. */
  readonly dir: string;
  /** A layer is not begun with less free space than this. Default 1,024. */
  readonly minFreeMiB?: number;
}

/** Makes the layer at `target`, which does not exist yet; its parent does, is private and is deleted afterwards. */
export type MakeLayer = (target: string, signal: AbortSignal) => Promise<void>;

interface Flight {
  readonly result: Promise<void>;
  readonly controller: AbortController;
  waiters: number;
}

const LAYER_ID = /^[0-9a-f]{32}$/;

export class LayerStore {
  readonly dir: string;
  readonly #minFreeMiB: number;
  readonly #known = new Set<string>();
  readonly #flights = new Map<string, Flight>();

  private constructor(dir: string, minFreeMiB: number) {
    this.dir = dir;
    this.#minFreeMiB = minFreeMiB;
  }

  /** Opens a store and removes what processes that are gone left unfinished. */
  static async open(options: LayerStoreOptions): Promise<LayerStore> {
    await mkdir(join(options.dir, ".tmp"), { recursive: true, mode: 0o700 });
    const dir = await realpath(options.dir);
    for (const name of await readdir(join(dir, ".tmp"))) {
      const [pid = "", startTime = ""] = name.split("-");
      if (startTime === "" || (await startTimeOf(pid)) !== startTime) await rm(join(dir, ".tmp", name), { recursive: true, force: true });
    }
    return new LayerStore(dir, options.minFreeMiB ?? 1024);
  }

  /** The directory of a layer, whether it exists or not. */
  path(id: string): string {
    if (!LAYER_ID.test(id)) throw new ImageError("invalid", `"${id}" is not a layer id: 32 hexadecimal digits are expected.`);
    return join(this.dir, id);
  }

  async has(id: string): Promise<boolean> {
    const path = this.path(id);
    if (this.#known.has(id)) return true;
    const found = await exists(path);
    if (found) this.#known.add(id);
    return found;
  }

  async hasAll(ids: readonly string[]): Promise<boolean> {
    for (const id of ids) if (!(await this.has(id))) return false;
    return true;
  }

  /**
   * Makes layer `id` unless it is there. Callers that want the same layer at the same time share one run, which is
   * cancelled only when all of them have gone.
   */
  async make(
    id: string,
    make: MakeLayer,
    options: { signal?: AbortSignal; onShared?: () => void } = {},
  ): Promise<"cached" | "made" | "shared"> {
    throwIfCancelled(options.signal);
    if (await this.has(id)) return "cached";
    let flight = this.#flights.get(id);
    const shared = flight !== undefined && !flight.controller.signal.aborted;
    if (flight === undefined || !shared) {
      flight = this.#takeOff(id, make);
    } else {
      options.onShared?.();
    }
    await waitFor(flight, options.signal);
    return shared ? "shared" : "made";
  }

  /** Nothing may use the layer any more. */
  async remove(id: string): Promise<void> {
    this.#known.delete(id);
    const temporary = await this.temporary();
    // First out of sight, at once: half a layer must never be there under its name.
    await rename(this.path(id), join(temporary, "layer")).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await rm(temporary, { recursive: true, force: true });
  }

  /** A new private directory on the store's filesystem. The caller removes it. */
  async temporary(): Promise<string> {
    const dir = join(this.dir, ".tmp", `${process.pid}-${await startTimeOf("self")}-${randomBytes(9).toString("hex")}`);
    await mkdir(dir, { mode: 0o700 });
    return dir;
  }

  /** Throws when less than the required space is left. */
  async assertSpace(): Promise<void> {
    const { bavail, bsize } = await statfs(this.dir);
    const freeMiB = Math.floor((bavail * bsize) / 2 ** 20);
    if (freeMiB >= this.#minFreeMiB) return;
    throw new ImageError(
      "disk_full",
      `Only ${freeMiB} MiB are free where image layers are kept (${this.dir}); ${this.#minFreeMiB} MiB are needed to begin a layer. Free some space, or move the data directory.`,
    );
  }

  #takeOff(id: string, make: MakeLayer): Flight {
    const controller = new AbortController();
    const result = this.#run(id, make, controller.signal).finally(() => {
      if (this.#flights.get(id) === flight) this.#flights.delete(id);
    });
    result.catch(() => {}); // Waiters see it; a flight that all have left must not count as unhandled.
    const flight: Flight = { result, controller, waiters: 0 };
    this.#flights.set(id, flight);
    return flight;
  }

  async #run(id: string, make: MakeLayer, signal: AbortSignal): Promise<void> {
    await this.assertSpace();
    const temporary = await this.temporary();
    try {
      const target = join(temporary, "layer");
      await make(target, signal);
      throwIfCancelled(signal);
      await flush(target);
      await rename(target, this.path(id)).catch((error: NodeJS.ErrnoException) => {
        // Another process was faster: the same recipe, so its layer is as good.
        if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
      });
      await flushDirectory(this.dir);
      this.#known.add(id);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") {
        throw new ImageError("disk_full", `The disk is full where image layers are kept (${this.dir}). Free some space and build again.`, {
          cause: error,
        });
      }
      throw error;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
}

/** Waits for a flight as long as `signal` lets; the last one to leave cancels it. */
async function waitFor(flight: Flight, signal: AbortSignal | undefined): Promise<void> {
  flight.waiters += 1;
  let leave = (): void => {};
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(new ImageError("cancelled", "The image build was cancelled.", { cause: signal?.reason }));
  });
  if (signal?.aborted) leave();
  signal?.addEventListener("abort", leave, { once: true });
  try {
    await Promise.race([flight.result, left]);
  } catch (error) {
    flight.waiters -= 1;
    if (signal?.aborted && flight.waiters === 0) {
      flight.controller.abort(signal.reason);
      await flight.result.catch(() => {}); // What was started is gone before the caller goes on.
    }
    throw error;
  } finally {
    signal?.removeEventListener("abort", leave);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** When a process began, in the kernel's ticks: pid and start together are never used twice. Empty when it does not run. */
async function startTimeOf(pid: string): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const isZombie = fields[0] === "Z";
  return isZombie ? "" : (fields[19] ?? "");
}

/** One call for the whole tree: a sync for each of some thousand files would take longer than writing them. */
async function flush(path: string): Promise<void> {
  await promisify(execFile)("sync", ["--file-system", path]);
}

async function flushDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
