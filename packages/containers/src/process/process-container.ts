// A plain child process in the shape of a container.

import { readFile, rm } from "node:fs/promises";
import { readExit } from "../exit.ts";
import type { Container, ContainerStats, EnteredProcess, EnterSpec, Exit, Limits, OutputChunk } from "../host.ts";
import type { LaunchedProcess } from "../launcher/launcher.ts";
import { checkLimits } from "../oci/limits.ts";
import { within } from "../within.ts";
import { statFields } from "./proc-stat.ts";

const PAGE_BYTES = 4096;
/** The kernel's clock for /proc, the same on all architectures that Node runs on. */
const TICK_MS = 10;

export interface ProcessContainerOptions {
  readonly id: string;
  readonly launched: LaunchedProcess;
  /** Deleted with it. */
  readonly dir: string;
  /** Starts another process beside it. */
  readonly enter: (spec: EnterSpec) => Promise<LaunchedProcess>;
  readonly onRemoved: () => void;
}

export class ProcessContainer implements Container {
  readonly id: string;
  readonly isolation = "none";
  readonly output: AsyncIterable<OutputChunk>;
  readonly exited: Promise<Exit>;
  readonly #options: ProcessContainerOptions;
  #ended = false;
  #removed: Promise<void> | undefined;

  constructor(options: ProcessContainerOptions) {
    this.#options = options;
    this.id = options.id;
    this.output = options.launched.output;
    this.exited = options.launched.exited.then((exit) => {
      this.#ended = true;
      // Perhaps it was the launcher that died; the process must not run on without an owner.
      if (exit.signal !== undefined) killGroup(options.launched.pid);
      // An OOM kill cannot be told from another SIGKILL without a control group.
      return readExit(exit, false);
    });
  }

  async signal(name: "SIGINT" | "SIGTERM" | "SIGKILL" | "SIGUSR1"): Promise<void> {
    if (!this.#ended) this.#options.launched.signal(name);
  }

  async enter(spec: EnterSpec): Promise<EnteredProcess> {
    if (this.#ended || this.#removed !== undefined) throw new Error(`Container ${this.id} has ended.`);
    const launched = await this.#options.enter(spec);
    let ended = false;
    const exited = launched.exited.then((exit) => {
      ended = true;
      if (exit.signal !== undefined) killGroup(launched.pid);
      return readExit(exit, false);
    });
    const close = async () => {
      if (!ended) launched.signal("SIGKILL");
      launched.close();
      await exited;
    };
    void this.exited.then(close);
    return { output: launched.output, exited, close };
  }

  /** Checked but not enforced: see `features.limits`. */
  async update(limits: Limits): Promise<void> {
    checkLimits(limits);
  }

  pause(): Promise<void> {
    return Promise.reject(new Error(`Container ${this.id} cannot be paused: the process host has no control groups.`));
  }

  resume(): Promise<void> {
    return Promise.reject(new Error(`Container ${this.id} cannot be paused, nor resumed: the process host has no control groups.`));
  }

  setNetwork(): Promise<void> {
    return Promise.reject(new Error(`The network of container ${this.id} cannot be restricted: the process host has the machine's own.`));
  }

  mount(): Promise<void> {
    return Promise.reject(new Error(`Nothing can be mounted into container ${this.id}: the process host runs on the machine's own files.`));
  }

  unmount(): Promise<void> {
    return this.mount();
  }

  outlive(): Promise<void> {
    return Promise.reject(new Error(`Container ${this.id} cannot outlive its server: the process host has nothing to find it by.`));
  }

  /** Of the main process alone. */
  async stats(): Promise<ContainerStats> {
    const text = await readFile(`/proc/${this.#options.launched.pid}/stat`, "utf8").catch(() => "");
    const field = (index: number) => Number(statFields(text)[index] ?? 0);
    return text === ""
      ? { memoryBytes: 0, cpuMs: 0, pids: 0 }
      : { memoryBytes: field(21) * PAGE_BYTES, cpuMs: (field(11) + field(12)) * TICK_MS, pids: field(17) };
  }

  async stop(graceMs: number): Promise<Exit> {
    if (graceMs > 0) {
      await this.signal("SIGINT");
      const exit = await within(this.exited, graceMs);
      if (exit !== undefined) return exit;
    }
    await this.signal("SIGKILL");
    return this.exited;
  }

  remove(): Promise<void> {
    this.#removed ??= this.#remove();
    return this.#removed;
  }

  async #remove(): Promise<void> {
    const { launched, dir, onRemoved } = this.#options;
    launched.output.discard();
    await this.stop(0);
    launched.close();
    await rm(dir, { recursive: true, force: true });
    onRemoved();
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The usual case: all of it has ended.
  }
}
