// One sandbox of this process: its container, its command, and how it ends.
import { rm } from "node:fs/promises";
import type { Agent, Container } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Deadline } from "../calls/deadlines.ts";
import { Wakeup } from "../calls/wakeup.ts";
import type { Exec } from "../execs/exec.ts";
import type { ExecHome } from "../execs/exec-home.ts";
import type { ResolvedSandbox } from "./definition.ts";
import type { SandboxResult } from "./results.ts";
import { nextSandboxState, type SandboxEvent, type SandboxState } from "./sandbox-state.ts";
import { commandOf, IndexedInput } from "./stdio.ts";
import type { SandboxRecord } from "./store.ts";

/** A container with its agent. */
export interface StartedContainer {
  readonly container: Container;
  readonly agent: Agent;
  /** Every trace of it goes. Idempotent. */
  remove(): Promise<void>;
}

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
  /** Its command; undefined when it has none, or before it runs. */
  command: Exec | undefined;
  /** Of clients of the first generation. */
  readonly indexedInput = new IndexedInput(() => commandOf(this));
  /** Its time is up then. */
  deadline: Deadline | undefined;
  /** Why it ends; set once. */
  end: SandboxResult | undefined;
  /** Woken by everything that happens to it. */
  readonly changed = new Wakeup();
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

  apply(event: SandboxEvent): void {
    const next = nextSandboxState(this.state, event);
    if (next === undefined)
      throw new LydianError("failed_precondition", `The sandbox ${this.id} is ${this.state}: "${event}" cannot happen now.`);
    this.state = next;
    this.changed.wake();
  }

  async agent(): Promise<Agent> {
    if (!this.live) throw this.over();
    const { agent } = await this.started.catch(() => {
      throw this.over();
    });
    if (!this.live) throw this.over();
    return agent;
  }

  use(): Disposable {
    this.#uses += 1;
    this.touch();
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
