// One sandbox of this process: its container, its command, and how it ends.
import { rm } from "node:fs/promises";
import type { Agent, Container } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Deadline } from "../calls/deadlines.ts";
import { Wakeup } from "../calls/wakeup.ts";
import type { Exec } from "../execs/exec.ts";
import type { ExecHome } from "../execs/exec-home.ts";
import type { ResolvedSandbox } from "./definition.ts";
import { Freezer } from "./freezer.ts";
import type { SandboxFiles } from "./kept-sandbox.ts";
import type { SandboxResult } from "./results.ts";
import { nextSandboxState, type SandboxEvent, type SandboxState } from "./sandbox-state.ts";
import { commandOf, IndexedInput } from "./stdio.ts";
import type { SandboxRecord } from "./store.ts";

/** A container with its agent. */
export interface StartedContainer {
  readonly container: Container;
  readonly agent: Agent;
  /**
   * It and the processes in it live on when this server ends, and after so many seconds they end. Resolves to what the next server needs.
   * Absent: it ends with this server.
   */
  readonly outlive?: (seconds: number) => Promise<ContainerKey>;
  /** Lets go of it without ending it. */
  detach(): Promise<void>;
  /** Every trace of it goes. Idempotent. */
  remove(): Promise<void>;
}

/** What it takes to go on with a container that has outlived its server. */
export interface ContainerKey {
  readonly containerId: string;
  /** Of its agent, in hexadecimal digits. */
  readonly secret: string;
  /** Directories of its layers. */
  readonly layers: readonly string[];
}

/** The server ends those whose time is up; only without one does the agent. */
const GRACE_SECONDS = 10;

export class Sandbox implements ExecHome {
  readonly resolved: ResolvedSandbox;
  /** Of its processes. Holds secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly dir: string;
  /** Changes with its name and tags. */
  record: SandboxRecord;
  state: SandboxState = "starting";
  startedAt = 0;
  /** 0 before. */
  readyAt = 0;
  /** Its container was there before it was asked for. */
  waited = false;
  /** Milliseconds of each stage of its start. */
  readonly stages: Record<string, number> = {};
  /** Directories of the layers with its local files, the lowest first. */
  mountedLayers: readonly string[] = [];
  /** Directories of layers that it needs beside those of its image. */
  readonly usedLayers: string[] = [];
  /** What its container has; empty before there is one. */
  isolation = "";
  /** Settles when there is a container, or none will come. */
  started: Promise<StartedContainer>;
  /** Settles when its ports can be reached, or will not be. */
  portsOpened: Promise<void> = Promise.resolve();
  /** Set when it outlives this server. */
  key: ContainerKey | undefined;
  /** This server has let go of it: nothing that happens to it is noticed any more. */
  detached = false;
  /** Its command; undefined when it has none, or before it runs. */
  command: Exec | undefined;
  /** Of clients of the first generation. */
  readonly indexedInput: IndexedInput = new IndexedInput(
    () => commandOf(this),
    () => this.keep(),
  );
  /** Since when its time counts. */
  begunAt: number;
  readonly #files: SandboxFiles;
  /** Its time is up then. */
  deadline: Deadline | undefined;
  /** It ends for being idle then, unless it is used before. */
  idleDeadline: Deadline | undefined;
  /** What became of the snapshot at its end, if it has one: an image, or why there is none. */
  exitSnapshot: { readonly imageId: string } | { readonly error: string } | undefined;
  /** Why it ends; set once. */
  end: SandboxResult | undefined;
  /** Woken by everything that happens to it. */
  readonly changed = new Wakeup();
  /** Its further containers. They are frozen with it. */
  readonly beside = new Set<Container>();
  /** Of its processes. Asking for its agent, and using it, lets them go on. */
  readonly freezer = new Freezer(async () => together([(await this.started).container, ...this.beside]));
  lastUsedAt: number;
  #uses = 0;
  readonly #now: () => number;
  readonly #onUnused: () => void;

  constructor(options: {
    readonly record: SandboxRecord;
    readonly resolved: ResolvedSandbox;
    readonly env: Readonly<Record<string, string>>;
    readonly workdir: string;
    readonly dir: string;
    readonly now: () => number;
    readonly files: SandboxFiles;
    /** Nobody uses it any more. */
    readonly onUnused: () => void;
  }) {
    this.record = options.record;
    this.resolved = options.resolved;
    this.env = options.env;
    this.workdir = options.workdir;
    this.dir = options.dir;
    this.#now = options.now;
    this.#onUnused = options.onUnused;
    this.lastUsedAt = options.now();
    this.begunAt = options.now();
    this.#files = options.files;
    this.started = new Promise(() => {});
  }

  get id(): string {
    return this.record.id;
  }

  get taskId(): string {
    return this.record.taskId;
  }

  get workspaceId(): string {
    return this.record.workspaceId;
  }

  /** Not told to end. */
  get live(): boolean {
    return this.state === "starting" || this.state === "running";
  }

  /** When it became unused; undefined while something uses it. */
  get unusedSince(): number | undefined {
    return this.#uses === 0 ? this.lastUsedAt : undefined;
  }

  /** Until its time is up, and its agent ends it because no server has. */
  get restSeconds(): number {
    return Math.max(0, Math.ceil((this.begunAt + this.resolved.timeoutMs - this.#now()) / 1000)) + GRACE_SECONDS;
  }

  get outlives(): boolean {
    return this.key !== undefined;
  }

  /** Writes down what the next server has to know. No effect on one that ends with this server. */
  async keep(): Promise<void> {
    const { key, record, resolved, env, workdir, begunAt, startedAt, readyAt, mountedLayers, usedLayers, end, indexedInput } = this;
    if (key === undefined) return;
    const input = indexedInput.last;
    await this.#files.write(record.taskId, {
      resolved,
      env,
      workdir,
      key,
      begunAt,
      startedAt,
      readyAt,
      mountedLayers,
      usedLayers,
      end,
      input,
    });
  }

  apply(event: SandboxEvent): void {
    const next = nextSandboxState(this.state, event);
    if (next === undefined)
      throw new LydianError("failed_precondition", `The sandbox ${this.id} is ${this.state}: "${event}" cannot happen now.`);
    this.state = next;
    this.changed.wake();
  }

  /** The stages of its start, in a sentence. */
  get startText(): string {
    const stages = Object.entries(this.stages).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`);
    return `the sandbox ${this.id} runs: ${stages.join(", ")}`;
  }

  /** Its readiness probe has succeeded, or it has none. */
  get isReady(): boolean {
    return this.readyAt > 0;
  }

  async agent(): Promise<Agent> {
    if (this.detached)
      throw new LydianError("unavailable", "The server is stopping; the sandbox goes on and can be reached from the next one.");
    if (!this.live) throw this.over();
    this.touch();
    const { agent } = await this.started.catch(() => {
      throw this.over();
    });
    await this.freezer.thaw().catch((error: unknown) => {
      if (this.live) throw error;
    });
    if (!this.live) throw this.over();
    return agent;
  }

  /** Freezes its processes until somebody needs them. Its times go on. */
  async pause(): Promise<void> {
    if (this.live && this.freezer.isFrozen) return;
    await this.agent();
    await this.freezer.freeze();
  }

  /** Lets them go on. */
  async resume(): Promise<void> {
    using _use = this.use();
    await this.agent();
  }

  use(): Disposable {
    this.#uses += 1;
    this.touch();
    // Whoever waits for the agent is told of failures.
    this.freezer.thaw().catch(() => {});
    let used = true;
    return {
      [Symbol.dispose]: () => {
        if (!used) return;
        used = false;
        this.#uses -= 1;
        this.touch();
        if (this.#uses === 0) this.#onUnused();
      },
    };
  }

  /** It was used, for a moment. */
  touch(): void {
    this.lastUsedAt = this.#now();
  }

  over(): LydianError {
    const reason = this.end?.exception || "its command has ended";
    return new LydianError("failed_precondition", `The sandbox ${this.id} is over: ${reason.replace(/\.$/, "")}.`);
  }

  /** What its command printed goes. */
  async forget(): Promise<void> {
    await this.command?.remove();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Frozen all or none. */
function together(containers: readonly Container[]): Pick<Container, "pause" | "resume"> {
  return {
    pause: async () => {
      const done = await Promise.allSettled(containers.map((container) => container.pause()));
      const failed = done.find((each) => each.status === "rejected");
      if (failed === undefined) return;
      await Promise.allSettled(containers.map((container) => container.resume()));
      throw failed.reason;
    },
    resume: async () => void (await Promise.all(containers.map((container) => container.resume()))),
  };
}
