// A container that runs, or has run, in a slot.

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { readExit } from "../exit.ts";
import type {
  Container,
  ContainerSpec,
  ContainerStats,
  EnteredProcess,
  EnterSpec,
  Exit,
  Isolation,
  Limits,
  NetworkPolicy,
  OutputChunk,
} from "../host.ts";
import type { LaunchedProcess } from "../launcher/launcher.ts";
import { checkPolicy } from "../network-policy.ts";
import { checkCommand, checkLayers } from "../spec-check.ts";
import { within } from "../within.ts";
import type { Directories } from "./directories.ts";
import { knownProcess, writeKept } from "./kept.ts";
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
  readonly directories: Directories;
  readonly isolation: Isolation;
  /** The machine's id for its root. */
  readonly ids: number;
  /** Paths to delete with it. */
  readonly traces: readonly string[];
  /** What it may reach at first. */
  readonly policy: NetworkPolicy;
  /** It has outlived the server that has started it. */
  readonly adopted?: boolean;
  /** Of the first directory that is mounted into it. Default 0. */
  readonly firstMount?: number;
  /** Starts another process in it. */
  readonly enter: (spec: ContainerSpec) => Promise<EnteredProcess>;
  /** Waits for the shell of its slot without the launcher. */
  readonly adoptShell: (pid: number) => Promise<LaunchedProcess>;
  readonly onRemoved: () => void;
}

/** One that is started in the network of another. */
export type Guest = Promise<OciContainer>;

export class OciContainer implements Container {
  readonly id: string;
  readonly isolation: Isolation;
  readonly output: AsyncIterable<OutputChunk>;
  readonly exited: Promise<Exit>;
  readonly #options: OciContainerOptions;
  #ended = false;
  #removed: Promise<void> | undefined;
  /** Of its slot, once it is not the launcher's any more. */
  #shell: LaunchedProcess | undefined;
  #frozen = false;
  #nextMount: number;
  #policy: NetworkPolicy;
  #outlives: boolean;
  /** In its network. */
  readonly #guests = new Set<Guest>();
  #last: Promise<void> = Promise.resolve();

  constructor(options: OciContainerOptions) {
    this.#options = options;
    this.id = options.spec.id;
    this.isolation = options.isolation;
    this.output = options.slot.process.output;
    this.#policy = options.policy;
    this.#outlives = options.adopted === true;
    this.#nextMount = options.firstMount ?? 0;
    this.exited = this.#exit();
  }

  async #exit(): Promise<Exit> {
    const { slot, spec } = this.#options;
    let exit = await slot.process.exited;
    // The launcher has ended, and not what it has started: that is waited for in another way.
    if (exit.signal !== undefined && this.#outlives) {
      this.#shell = await this.#options.adoptShell(slot.process.pid);
      exit = await this.#shell.exited;
    }
    // The runtime answered with a code, or died itself: then the container has lost its parent and goes too. A shell that waits for it
    // answers with a code in any case.
    if (exit.signal !== undefined || (spec.mayOutlive === true && spec.keepWritableLayer !== true)) await this.#kill();
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

  async enter(spec: EnterSpec): Promise<EnteredProcess> {
    const whole = { ...this.#options.spec, ...spec };
    checkCommand(whole);
    // A start that is under way would never end in a container that is frozen meanwhile.
    return this.#oneAtATime(async () => {
      this.#assertRuns();
      if (this.#frozen) throw new Error(`Container ${this.id} is frozen: resume it first.`);
      const entered = await this.#options.enter(whole);
      void this.exited.then(() => entered.close());
      return entered;
    });
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
      if (spec.networkOf !== undefined)
        throw new Error(`Container ${this.id} is in the network of ${spec.networkOf}: what it may reach is changed there.`);
      if (spec.network === "none")
        throw new Error(`Container ${this.id} was started without a network. Start it with the network "blocked" to open it later.`);
      const before = this.#policy;
      this.#policy = policy;
      try {
        // Should this process be killed in between, the next one makes it so.
        if (this.#outlives) await this.#writeDown();
        await policies.set(slot.name, slot.address, policy);
      } catch (error) {
        this.#policy = before;
        if (this.#outlives) await this.#writeDown();
        throw error;
      }
    });
  }

  /** Starts a container in its network, given a process that is in there. */
  async admit(start: (pid: number) => Guest): Guest {
    this.#assertRuns();
    const { slot, spec } = this.#options;
    if (spec.networkOf !== undefined) throw new Error(`Container ${this.id} is in the network of ${spec.networkOf}: name that one.`);
    const guest = start(slot.process.pid);
    this.#guests.add(guest);
    try {
      const container = await guest;
      // The pid would have been another process's.
      if (slot.dead || this.#ended) {
        await container.remove();
        this.#assertRuns();
      }
      return container;
    } catch (error) {
      this.#guests.delete(guest);
      throw error;
    }
  }

  /** It runs on when this process ends. */
  get outlives(): boolean {
    return this.#outlives && !this.#ended && this.#removed === undefined;
  }

  get slotName(): string {
    return this.#options.slot.name;
  }

  outlive(): Promise<void> {
    return this.#oneAtATime(async () => {
      this.#assertRuns();
      if (this.#outlives) return;
      if (this.#options.spec.networkOf !== undefined) throw new Error(`Container ${this.id} goes with the one whose network it shares.`);
      if (this.#options.spec.mayOutlive !== true) throw new Error(`Container ${this.id} was not started with mayOutlive.`);
      await this.#writeDown();
      this.#options.slot.process.keep();
      this.#outlives = true;
    });
  }

  async #writeDown(): Promise<void> {
    const { spec, slot } = this.#options;
    await writeKept(slot.dir, {
      spec,
      address: slot.address,
      policy: this.#policy,
      diskMiB: slot.diskMiB,
      shell: await knownProcess(slot.process.pid),
      main: await knownProcess(await this.#mainPid()),
    });
  }

  mount(path: string, layers: readonly string[]): Promise<void> {
    const { slot, directories } = this.#options;
    return this.#about(`Nothing could be mounted at ${path} of container ${this.id}`, () =>
      this.#oneAtATime(async () => {
        await checkLayers(layers);
        await directories.mount(slot, await this.#mainPid(), path, layers, {
          name: (this.#nextMount++).toString(36),
          ids: this.#options.ids,
        });
      }),
    );
  }

  unmount(path: string): Promise<void> {
    return this.#about(`Nothing could be unmounted from ${path} of container ${this.id}`, () =>
      this.#still(async () => this.#options.directories.unmount(this.#options.slot, await this.#mainPid(), path)),
    );
  }

  /** Copies what it has changed, or one of its directories, to `target`. */
  snapshot(target: string, directory: string | undefined): Promise<void> {
    const { directories, slot, spec, ids } = this.#options;
    const maxMiB = spec.limits.diskMiB ?? DEFAULT_DISK_MIB;
    const what = directory === undefined ? "The changes" : `The directory ${directory}`;
    return this.#about(`${what} of container ${this.id} could not be copied`, async () => {
      if (directory === undefined && this.#ended) return directories.copy({ upper: await this.#keptLayer() }, target, { maxMiB, ids });
      if (!directories.available) throw new Error("it still runs, and the program lydian-host has not been built (npm run build)");
      return this.#still(async () => {
        if (directory !== undefined) return directories.copy({ pid: await this.#mainPid(), path: directory }, target, { maxMiB, ids });
        return directories.copy({ upper: join("/proc", String(slot.process.pid), "root", slot.dir, "W/u") }, target, { maxMiB, ids });
      });
    });
  }

  /** With all processes stopped. */
  #still<T>(work: () => Promise<T>): Promise<T> {
    return this.#oneAtATime(async () => {
      this.#assertRuns();
      const { group } = this.#options.slot;
      if (this.#frozen) return work();
      await group.freeze();
      try {
        return await work();
      } finally {
        // It is gone with the container, should that have been killed.
        await group.thaw().catch(() => {});
      }
    });
  }

  async #mainPid(): Promise<number> {
    this.#assertRuns();
    const { pid, slot } = this.#options;
    if (pid === undefined || !(await slot.group.processes()).includes(pid)) throw new Error(`Container ${this.id} has ended.`);
    return pid;
  }

  async #about<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // Of a command that failed, only what it said.
      const said = (error instanceof Error ? error.message : String(error)).replace(/^`[^`]*` failed \([^)]*\): /, "");
      throw new Error(`${what}: ${said}`, { cause: error });
    }
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
    (this.#shell ?? this.#options.slot.process).close();
    return this.exited;
  }

  /** The writable layer's directory as the host sees it. */
  async #keptLayer(): Promise<string> {
    const { slot, spec } = this.#options;
    if (spec.keepWritableLayer !== true) throw new Error(`Container ${this.id} was not started with keepWritableLayer.`);
    if (this.#removed !== undefined) throw new Error(`Container ${this.id} has been removed, and its writable layer with it.`);
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
    // Its network is there as long as one of them is.
    await Promise.all([...this.#guests].map(async (guest) => (await guest.catch(() => undefined))?.remove()));
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
