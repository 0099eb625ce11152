// What the next server needs to go on with a sandbox, in a file of the sandbox's directory. It has secrets, and is sealed.
import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Seal } from "../secrets/seal.ts";
import type { ResolvedSandbox } from "./definition.ts";
import type { SandboxResult } from "./results.ts";
import type { ContainerKey } from "./sandbox.ts";
import type { IndexedWrite } from "./stdio.ts";

export interface KeptSandbox {
  readonly resolved: ResolvedSandbox;
  /** Of its processes. */
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly key: ContainerKey;
  /** Since when its time counts. */
  readonly begunAt: number;
  /** 0: its command had not been started. */
  readonly startedAt: number;
  readonly readyAt: number;
  readonly mountedLayers: readonly string[];
  readonly usedLayers: readonly string[];
  /** It was being ended. */
  readonly end: SandboxResult | undefined;
  readonly input: IndexedWrite;
}

/** Changes when earlier ones cannot be gone on with. */
const VERSION = 1;
const FILE = "sandbox";

export class SandboxFiles {
  readonly #dir: string;
  readonly #seal: Seal;
  /** Writes of one sandbox follow each other. */
  readonly #last = new Map<string, Promise<void>>();

  /** `dir`: has a directory for each task. */
  constructor(dir: string, seal: Seal) {
    this.#dir = dir;
    this.#seal = seal;
  }

  /** The file is there whole, or as it was. */
  async write(taskId: string, kept: KeptSandbox): Promise<void> {
    const before = this.#last.get(taskId) ?? Promise.resolve();
    const turn = before.then(() => this.#write(taskId, kept));
    const last = turn.catch(() => {});
    this.#last.set(taskId, last);
    try {
      await turn;
    } finally {
      if (this.#last.get(taskId) === last) this.#last.delete(taskId);
    }
  }

  async #write(taskId: string, kept: KeptSandbox): Promise<void> {
    const path = join(this.#dir, taskId, FILE);
    const draft = `${path}.${randomBytes(4).toString("hex")}`;
    await writeFile(draft, this.#seal.close(taskId, JSON.stringify({ ...kept, version: VERSION })), { mode: 0o600 });
    await rename(draft, path);
  }

  /** Undefined: there is none, or none that can be gone on with. */
  async read(taskId: string): Promise<KeptSandbox | undefined> {
    const bytes = await readFile(join(this.#dir, taskId, FILE)).catch(() => undefined);
    if (bytes === undefined) return undefined;
    try {
      const kept = JSON.parse(this.#seal.open(taskId, bytes)) as KeptSandbox & { readonly version: number };
      return kept.version === VERSION ? kept : undefined;
    } catch {
      return undefined;
    }
  }
}
