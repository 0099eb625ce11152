// A container that runs, or has run, in a slot.

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { readExit } from "../exit.ts";
import type { Container, ContainerSpec, ContainerStats, Exit, Limits, NetworkPolicy, OutputChunk } from "../host.ts";
import { checkPolicy } from "../network-policy.ts";
import { within } from "../within.ts";
import { checkLimits, DEFAULT_DISK_MIB } from "./limits.ts";
import type { Policies } from "./policies.ts";
import type { Slot } from "./slot.ts";

/** How long a killed container may take to end before its runtime is given up. */
const KILL_TIMEOUT_MS = 10_000;

export interface OciContainerOptions {
  readonly spec: ContainerSpec;
  readonly slot: Slot;
  /** Pid of the main process, seen from the host. Undefined when it ended before it could be read. */
  readonly pid: number | undefined;
  readonly policies: Policies;
  /** Paths to delete with it. */
  readonly traces: readonly string[];
  readonly onRemoved: () => void;
}

export class OciContainer implements Container {
  readonly id: string;
  readonly output: AsyncIterable<OutputChunk>;
  readonly exited: Promise<Exit>;
  readonly #options: OciContainerOptions;
  #ended = false;
  #removed: Promise<void> | undefined;
  #frozen = false;
  #last: Promise<void> = Promise.resolve();

  constructor(options: OciContainerOptions) {
    this.#options = options;
    this.id = options.spec.id;
    this.output = options.slot.process.output;
    this.exited = this.#exit();
  }

  async #exit(): Promise<Exit> {
    const { slot } = this.#options;
    const exit = await slot.process.exited;
    // The runtime answered with a code, or died itself: then the container has lost its parent and goes too.
    if (exit.signal !== undefined) await this.#kill();
    const oomKilled = await slot.group.oomKilled();
    this.#ended = true;
    return readExit(exit, oomKilled);
  }

  async #kill(): Promise<void> {
    for (const pid of await this.#options.slot.group.processes()) send(pid, "SIGKILL");
  }

  async signal(name: "SIGINT" | "SIGTERM" | "SIGKILL" | "SIGUSR1"): Promise<void> {
    const { pid, slot } = this.#options;
    if (this.#ended || pid === undefined) return;
    // The pid could be another process's by now; inside the group it is ours.
    if ((await slot.group.processes()).includes(pid)) send(pid, name);
    // The frozen do not die.
    if (name === "SIGKILL") await this.#thaw();
  }

  pause(): Promise<void> {
    return this.#oneAtATime(async () => {
      this.#assertRuns();
      if (!this.#frozen) await this.#options.slot.group.freeze();
      this.#frozen = true;
    });
  }

  resume(): Promise<void> {
    return this.#oneAtATime(async () => {
      this.#assertRuns();
      if (this.#frozen) await this.#options.slot.group.thaw();
      this.#frozen = false;
    });
  }

  setNetwork(policy: NetworkPolicy): Promise<void> {
    return this.#oneAtATime(async () => {
      checkPolicy(policy);
      this.#assertRuns();
      const { spec, slot, policies } = this.#options;
      if (spec.network === "none")
        throw new Error(`Container ${this.id} was started without a network. Start it with the network "blocked" to open it later.`);
      await policies.set(slot.name, slot.address, policy);
    });
  }

  #assertRuns(): void {
    if (this.#ended || this.#removed !== undefined) throw new Error(`Container ${this.id} has ended.`);
  }

  #thaw(): Promise<void> {
    return this.#oneAtATime(async () => {
      if (this.#frozen && !this.#ended) await this.#options.slot.group.thaw();
      this.#frozen = false;
    });
  }

  /** What needs the container's processes stopped, or stops them, waits for one another. */
  #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.then(
      () => {},
      () => {},
    );
    return result;
  }

  async update(limits: Limits): Promise<void> {
    checkLimits(limits);
    const had = this.#options.slot.diskMiB;
    if (limits.diskMiB !== undefined && limits.diskMiB !== (this.#options.spec.limits.diskMiB ?? DEFAULT_DISK_MIB)) {
      throw new RangeError(
        `diskMiB cannot change from ${had} to ${limits.diskMiB} while container ${this.id} runs: its file system is made at start.`,
      );
    }
    if (!this.#ended) await this.#options.slot.group.setLimits(limits);
  }

  stats(): Promise<ContainerStats> {
    return this.#options.slot.group.stats();
  }

  async stop(graceMs: number): Promise<Exit> {
    if (graceMs > 0) {
      await this.#thaw();
      await this.signal("SIGINT");
      const exit = await within(this.exited, graceMs);
      if (exit !== undefined) return exit;
    }
    await this.signal("SIGKILL");
    const exit = await within(this.exited, KILL_TIMEOUT_MS);
    if (exit !== undefined) return exit;
    this.#options.slot.process.close();
    return this.exited;
  }

  /** The writable layer's directory as the host sees it, while the container was started with `keepWritableLayer`. */
  async writableLayer(): Promise<string> {
    const { slot, spec } = this.#options;
    if (spec.keepWritableLayer !== true) throw new Error(`Container ${this.id} was not started with keepWritableLayer.`);
    if (this.#removed !== undefined) throw new Error(`Container ${this.id} has been removed, and its writable layer with it.`);
    if (!this.#ended) throw new Error(`Container ${this.id} still runs: commit its layer after it has exited.`);
    const holder = (await readFile(join(slot.dir, "holder"), "utf8")).trim();
    return join("/proc", holder, "root", slot.dir, "W/u");
  }

  remove(): Promise<void> {
    this.#removed ??= this.#remove();
    return this.#removed;
  }

  async #remove(): Promise<void> {
    const { slot, policies, traces, onRemoved } = this.#options;
    slot.process.output.discard();
    if (!this.#ended) await this.stop(0);
    await slot.remove();
    // After its link is gone: the name stands for nothing then.
    await this.#oneAtATime(() => policies.set(slot.name, slot.address, "outbound"));
    for (const path of traces) await rm(path, { recursive: true, force: true });
    onRemoved();
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
