// What image names have been resolved to on this machine. A name that has been made or pulled once is never asked of
// the network again: a machine without a network loses no time, and a tag that moves does not change running apps.
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { BuiltImage } from "./image.ts";
import { sha256Hex } from "./keys.ts";
import type { LayerStore } from "./layer-store.ts";

const remembered = z.object({
  name: z.string(),
  layers: z.array(z.string()),
  config: z.object({
    env: z.record(z.string(), z.string()),
    workdir: z.string().exactOptional(),
    user: z.string().exactOptional(),
    entrypoint: z.array(z.string()).exactOptional(),
    cmd: z.array(z.string()).exactOptional(),
    shell: z.array(z.string()).exactOptional(),
    labels: z.record(z.string(), z.string()).exactOptional(),
    exposedPorts: z.array(z.string()).exactOptional(),
  }),
});

export class TagMemory {
  readonly #store: LayerStore;
  readonly #dir: string;

  constructor(store: LayerStore) {
    this.#store = store;
    this.#dir = join(store.dir, ".tags");
  }

  /** The image of a full name, if it is remembered and all of its layers are there. */
  async get(name: string): Promise<BuiltImage | undefined> {
    const text = await readFile(this.#path(name), "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    const parsed = remembered.safeParse(parseJson(text));
    if (!parsed.success || parsed.data.name !== name || !(await this.#store.hasAll(parsed.data.layers))) return undefined;
    return { layers: parsed.data.layers, config: parsed.data.config };
  }

  async set(name: string, image: BuiltImage): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const temporary = join(this.#dir, `.${process.pid}-${Math.random().toString(36).slice(2)}`);
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(JSON.stringify({ name, ...image }));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path(name));
  }

  #path(name: string): string {
    return join(this.#dir, `${sha256Hex(name).slice(0, 32)}.json`);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
