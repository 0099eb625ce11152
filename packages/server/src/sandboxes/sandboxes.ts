// All sandboxes: creating, finding and ending them. Those of this process are in memory, also for a while after their end; of earlier ones
// the database knows how they ended.
import { mkdir, rm } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import type { NetworkPolicy } from "@lydian/containers";
import { LydianError, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import type { Deadlines } from "../calls/deadlines.ts";
import { Exec } from "../execs/exec.ts";
import { type Execs, programOf } from "../execs/execs.ts";
import { newSandboxIds } from "../ids.ts";
import type { Logs } from "../logs/logs.ts";
import { OutputLines } from "../pools/output-lines.ts";
import type { TaskRecord } from "../pools/tasks.ts";
import { checkSandboxName, type ResolvedSandbox } from "./definition.ts";
import { IdleFreeze } from "./idle-freeze.ts";
import { waitUntilReady } from "./readiness.ts";
import { exited, idledOut, notStarted, type SandboxResult, terminated, timedOut } from "./results.ts";
import { Sandbox, type StartedContainer } from "./sandbox.ts";
import type { SandboxRecord, SandboxStore } from "./store.ts";

export interface SandboxesOptions {
  readonly store: SandboxStore;
  readonly execs: Execs;
  readonly logs: Pick<Logs, "append" | "flush">;
  readonly deadlines: Deadlines;
  readonly now: () => number;
  /** Resolves when the container runs and its agent answers. */
  readonly startContainer: (sandbox: Sandbox) => Promise<StartedContainer>;
  /** Lets its ports be reached from outside. */
  readonly openPorts: (sandbox: Sandbox) => Promise<void>;
  readonly closePorts: (sandbox: Sandbox) => void;
  /** A directory for each sandbox below it. */
  readonly dir: string;
  /** At once. */
  readonly maxSandboxes: number;
  /** See `IdleFreeze`. */
  readonly freezeIdleMs: number;
  /** Told of each that runs, with the times of its stages. */
  readonly onStarted: (what: string) => void;
  readonly onError: (what: string, error: unknown) => void;
}

/** Three quarters of the memory at 16 MiB each. */
export function defaultMaxSandboxes(): number {
  return Math.max(16, Math.floor((totalmem() * 0.75) / (16 << 20)));
}

export interface NewSandbox {
  readonly generation: 1 | 2;
  readonly workspaceId: string;
  readonly environmentId: string;
  readonly appId: string;
  readonly resolved: ResolvedSandbox;
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly idempotencyKey: string;
}

export interface SandboxFilter {
  readonly workspaceId: string;
  /** Empty: of all apps. */
  readonly appId: string;
  /** Empty: of all environments. */
  readonly environmentId: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch; 0: no bound. */
  readonly createdBefore: number;
}

/** Ended ones whose output can still be read. */
const MAX_ENDED = 500;
const ENDED_MS = 3_600_000;
const LOOK_AGAIN_MS = 3_600_000;
/** How long the database knows how one ended, and of how many. */
const KEPT_MS = 30 * 86_400_000;
const MAX_KEPT = 100_000;
const PRUNE_EVERY = 500;
const RESTARTED = terminated("The server was restarted; its sandboxes ended with it.");

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #idleFreeze: IdleFreeze;
  /** By id, oldest first. */
  readonly #byId = new Map<string, Sandbox>();
  readonly #byTask = new Map<string, Sandbox>();
  /** Of those that live: app and name → sandbox. */
  readonly #names = new Map<string, string>();
  #liveCount = 0;
  #endedCount = 0;
  #lastCreatedAt = 0;
  #stopping = false;

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#idleFreeze = new IdleFreeze({ ...options, afterMs: options.freezeIdleMs });
  }

  /** Ends in the database what an earlier process left behind, and removes its files. */
  async recover(): Promise<void> {
    const { store, dir, now } = this.#options;
    store.finishAll(RESTARTED, now());
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true, mode: 0o700 });
  }

  /** Resolves when it is stored; its container is under way then. */
  async create({ generation, resolved, env, workdir, idempotencyKey, ...place }: NewSandbox): Promise<SandboxRecord> {
    const { store, now, maxSandboxes, dir } = this.#options;
    if (this.#stopping) throw new LydianError("unavailable", "The server is stopping.");
    if (this.#liveCount >= maxSandboxes)
      throw new LydianError("resource_exhausted", `${this.#liveCount} sandboxes exist, the most this server runs at once.`, {
        hint: "Terminate some.",
      });
    const askedAt = performance.now();
    const { sandboxId, taskId } = newSandboxIds(generation, now());
    const { name, imageId } = resolved;
    const free = this.#reserve(place.appId, name, sandboxId);
    // Lists are paged by the time of creation: no two have the same.
    this.#lastCreatedAt = Math.max(now(), this.#lastCreatedAt + 1);
    const record: SandboxRecord = {
      ...place,
      id: sandboxId,
      taskId,
      name,
      imageId,
      createdAt: this.#lastCreatedAt,
      finishedAt: 0,
      result: undefined,
    };
    this.#liveCount += 1;
    try {
      const id = await store.insert(record, idempotencyKey);
      if (id !== sandboxId) {
        free();
        this.#liveCount -= 1;
        return this.require(id, place.workspaceId);
      }
    } catch (error) {
      free();
      this.#liveCount -= 1;
      throw error;
    }
    const sandbox: Sandbox = new Sandbox({
      record,
      resolved,
      env,
      workdir,
      dir: join(dir, taskId),
      now,
      onUnused: () => this.#watchIdle(sandbox),
    });
    sandbox.stages.store = performance.now() - askedAt;
    this.#byId.set(sandboxId, sandbox);
    this.#byTask.set(taskId, sandbox);
    sandbox.started = this.#start(sandbox);
    sandbox.started.catch(() => {});
    return record;
  }

  /** Throws `not_found` unless it exists and is the workspace's. */
  require(id: string, workspaceId: string): SandboxRecord {
    const record = this.#byId.get(id)?.record ?? this.#options.store.get(id);
    if (record?.workspaceId === workspaceId) return record;
    throw new LydianError("not_found", `There is no sandbox ${JSON.stringify(id.slice(0, 100))}.`);
  }

  /** One that this process has started and not forgotten. Throws `not_found`; for one of earlier, `failed_precondition`. */
  live(id: string, workspaceId: string): Sandbox {
    const record = this.require(id, workspaceId);
    const sandbox = this.#byId.get(record.id);
    if (sandbox !== undefined) return sandbox;
    throw new LydianError("failed_precondition", `The sandbox ${record.id} ended long ago, or before the server was restarted.`);
  }

  /** Whether the layer in this directory is mounted in one that lives. */
  uses(layer: string): boolean {
    return [...this.#byId.values()].some(({ state, usedLayers }) => state !== "ended" && usedLayers.includes(layer));
  }

  /** By its container; undefined when it is none of ours. */
  ofTask(taskId: string): Sandbox | undefined {
    return this.#byTask.get(taskId);
  }

  /** Of a container that ended long ago too. */
  recordOfTask(taskId: string): SandboxRecord | undefined {
    return this.#byTask.get(taskId)?.record ?? this.#options.store.byTask(taskId);
  }

  /** Those that live, newest first, up to `most`. */
  list({ workspaceId, appId, environmentId, tags, createdBefore }: SandboxFilter, most: number): Sandbox[] {
    const found: Sandbox[] = [];
    for (const sandbox of [...this.#byId.values()].reverse()) {
      const { record } = sandbox;
      if (found.length === most) break;
      if (!sandbox.live || record.workspaceId !== workspaceId) continue;
      if (appId !== "" && record.appId !== appId) continue;
      if (environmentId !== "" && record.environmentId !== environmentId) continue;
      if (createdBefore > 0 && record.createdAt >= createdBefore) continue;
      if (Object.entries(tags).every(([key, value]) => record.tags[key] === value)) found.push(sandbox);
    }
    return found;
  }

  /** Their containers, as those of functions are listed. */
  *tasks(): Generator<TaskRecord> {
    for (const { record, startedAt, isolation } of this.#byId.values()) {
      const { taskId, appId, workspaceId, environmentId, createdAt, finishedAt } = record;
      yield { taskId, appId, workspaceId, environmentId, enqueuedAt: createdAt, startedAt, finishedAt, isolation };
    }
  }

  /** The one that has the name, or else, if those count, the latest that had it. */
  byName(appId: string, name: string, includeEnded: boolean): SandboxRecord | undefined {
    const id = this.#names.get(nameKey(appId, name));
    if (id !== undefined) return this.#byId.get(id)?.record;
    return includeEnded && name !== "" ? this.#options.store.byName(appId, name) : undefined;
  }

  /** How it ended; undefined when it has not within the time, or before a signal aborts. */
  async wait(record: SandboxRecord, timeoutMs: number, ...signals: readonly AbortSignal[]): Promise<SandboxResult | undefined> {
    const sandbox = this.#byId.get(record.id);
    if (sandbox === undefined) return record.result ?? RESTARTED;
    const until = this.#options.now() + timeoutMs;
    while (sandbox.state !== "ended") {
      const restMs = until - this.#options.now();
      if (restMs <= 0 || signals.some((signal) => signal.aborted)) return undefined;
      await sandbox.changed.wait(Math.min(restMs, LOOK_AGAIN_MS), ...signals);
    }
    return sandbox.end;
  }

  /** Resolves when it has ended. Returns how it had ended before, if it had. */
  async terminate(record: SandboxRecord, reason: string): Promise<SandboxResult | undefined> {
    const sandbox = this.#byId.get(record.id);
    if (sandbox === undefined || sandbox.state === "ended") return sandbox?.end ?? record.result ?? RESTARTED;
    const before = sandbox.end;
    this.#end(sandbox, terminated(reason));
    await this.wait(record, LOOK_AGAIN_MS);
    return before;
  }

  async setTags(record: SandboxRecord, tags: Readonly<Record<string, string>>): Promise<void> {
    await this.#options.store.setTags(record.id, tags);
    const sandbox = this.#byId.get(record.id);
    if (sandbox !== undefined) sandbox.record = { ...sandbox.record, tags };
  }

  /** Names one that has none. */
  async setName(record: SandboxRecord, name: string): Promise<void> {
    checkSandboxName(name);
    const sandbox = this.live(record.id, record.workspaceId);
    if (sandbox.record.name === name) return;
    if (!sandbox.live) throw sandbox.over();
    if (sandbox.record.name !== "")
      throw new LydianError("failed_precondition", `The sandbox ${record.id} has the name ${JSON.stringify(sandbox.record.name)} already.`);
    const free = this.#reserve(record.appId, name, record.id);
    try {
      await this.#options.store.setName(record.id, name);
    } catch (error) {
      free();
      throw error;
    }
    sandbox.record = { ...sandbox.record, name };
    // It may have ended meanwhile.
    if (!sandbox.live) free();
  }

  /** When it became ready. Throws `deadline_exceeded` when it did not in time, `failed_precondition` when it ended before. */
  async ready(sandbox: Sandbox, timeoutMs: number, ...signals: readonly AbortSignal[]): Promise<number> {
    const until = this.#options.now() + timeoutMs;
    // What is frozen does not become ready.
    if (!sandbox.isReady) sandbox.freezer.thaw().catch(() => {});
    for (;;) {
      if (sandbox.readyAt > 0) return sandbox.readyAt;
      if (!sandbox.live) throw sandbox.over();
      const restMs = until - this.#options.now();
      if (restMs <= 0 || signals.some((signal) => signal.aborted))
        throw new LydianError(
          "deadline_exceeded",
          `The sandbox ${sandbox.id} did not become ready within ${Math.round(timeoutMs) / 1000} s.`,
        );
      await sandbox.changed.wait(restMs, ...signals);
    }
  }

  /** Replaces what a running one may reach. */
  async setNetwork(sandbox: Sandbox, policy: NetworkPolicy): Promise<void> {
    await sandbox.agent();
    const { container } = await sandbox.started;
    try {
      await container.setNetwork(policy);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LydianError("failed_precondition", `What the sandbox ${sandbox.id} may reach could not be changed: ${reason}`, { cause });
    }
  }

  async stopApp(appId: string, reason: string): Promise<void> {
    await this.#endAll(
      [...this.#byId.values()].filter(({ record }) => record.appId === appId),
      reason,
    );
  }

  /** Ends all of them. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#endAll([...this.#byId.values()], "The server is stopping.");
  }

  async #endAll(sandboxes: readonly Sandbox[], reason: string): Promise<void> {
    await Promise.all(sandboxes.map((sandbox) => this.terminate(sandbox.record, reason)));
  }

  #reserve(appId: string, name: string, id: string): () => void {
    if (name === "") return () => {};
    const key = nameKey(appId, name);
    if (this.#names.has(key))
      throw new LydianError(
        "already_exists",
        `A sandbox of the name ${JSON.stringify(name)} already exists in this app: ${this.#names.get(key)}, which runs.`,
        {
          hint: "Terminate it first, or choose another name.",
        },
      );
    this.#names.set(key, id);
    return () => {
      if (this.#names.get(key) === id) this.#names.delete(key);
    };
  }

  async #start(sandbox: Sandbox): Promise<StartedContainer> {
    const { now, startContainer, openPorts, deadlines, onStarted } = this.#options;
    const begun = now();
    const stage = (name: string, from: number): number => {
      const at = performance.now();
      sandbox.stages[name] = at - from;
      return at;
    };
    let at = performance.now();
    // Its time counts from here: waiting for a container is a part of it.
    sandbox.deadline = deadlines.add(begun + sandbox.resolved.timeoutMs, () => this.#end(sandbox, timedOut(sandbox.resolved.timeoutMs)));
    sandbox.portsOpened = openPorts(sandbox);
    sandbox.portsOpened.catch(() => {});
    try {
      await mkdir(sandbox.dir, { recursive: true, mode: 0o700 });
      await sandbox.portsOpened;
      const started = await startContainer(sandbox);
      at = stage(sandbox.waited ? "waiting container" : "new container", at);
      if (!sandbox.live) {
        await started.remove();
        throw sandbox.over();
      }
      await this.#run(sandbox, started);
      sandbox.startedAt = now();
      stage("command", at);
      onStarted(startedText(sandbox));
      if (sandbox.state === "starting") sandbox.apply("started");
      this.#watch(sandbox, started);
      return started;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#end(sandbox, notStarted(reason));
      throw error;
    }
  }

  /** Starts its command. */
  async #run(sandbox: Sandbox, { agent }: StartedContainer): Promise<void> {
    const { command: argv, pty } = sandbox.resolved;
    if (argv.length === 0) return;
    const { logs, deadlines, now } = this.#options;
    const env = { ...pty?.env, ...sandbox.env };
    const process = await agent.exec({
      argv,
      env,
      workdir: sandbox.workdir,
      ...(pty !== undefined && { pty: { rows: pty.rows, columns: pty.columns } }),
    });
    const lines = new OutputLines();
    const { appId, taskId } = sandbox.record;
    const print = (printed: ReturnType<OutputLines["push"]>) => {
      for (const { fd, text } of printed) logs.append({ appId, taskId, fd, text, at: now() });
    };
    const exec = new Exec(programOf(process), {
      id: "command",
      dir: sandbox.dir,
      keepsStdout: true,
      stderr: "keep",
      timeoutMs: 0,
      deadlines,
      now,
      onOutput: (chunk) => print(lines.push(chunk)),
    });
    sandbox.command = exec;
    void exec.done.then((exit) => {
      print(lines.end());
      this.#end(sandbox, exited(exit));
    });
  }

  #watch(sandbox: Sandbox, { container }: StartedContainer): void {
    const { now } = this.#options;
    void container.exited.then((exit) => this.#end(sandbox, exited(exit)));
    this.#watchIdle(sandbox);
    if (sandbox.resolved.readiness === undefined) sandbox.readyAt = now();
    else
      void waitUntilReady(sandbox, sandbox.resolved.readiness).then((isReady) => {
        if (!isReady) return;
        sandbox.readyAt = now();
        sandbox.changed.wake();
      });
  }

  #watchIdle(sandbox: Sandbox): void {
    this.#idleFreeze.watch(sandbox);
    const { idleTimeoutMs } = sandbox.resolved;
    const since = sandbox.unusedSince;
    if (idleTimeoutMs === 0 || since === undefined || !sandbox.live) return;
    this.#options.deadlines.cancel(sandbox.idleDeadline);
    sandbox.idleDeadline = this.#options.deadlines.add(since + idleTimeoutMs, () => {
      if (sandbox.unusedSince === since) this.#end(sandbox, idledOut(idleTimeoutMs));
      else this.#watchIdle(sandbox);
    });
  }

  /** The first end counts. */
  #end(sandbox: Sandbox, result: SandboxResult): void {
    if (!sandbox.live) return;
    sandbox.end = result;
    sandbox.apply("end");
    void this.#takeAway(sandbox).catch((error: unknown) => this.#options.onError(`the end of the sandbox ${sandbox.id}`, error));
  }

  async #takeAway(sandbox: Sandbox): Promise<void> {
    const { store, now, onError } = this.#options;
    const { id, record } = sandbox;
    this.#options.deadlines.cancel(sandbox.deadline);
    this.#options.deadlines.cancel(sandbox.idleDeadline);
    this.#options.closePorts(sandbox);
    const started = await sandbox.started.catch(() => undefined);
    sandbox.command?.kill();
    try {
      await started?.remove();
      // What it has printed is read to its end by now.
      await sandbox.command?.done;
      // Only its own end by a kill is the kernel's doing: processes of it may have been killed before, and it went on.
      if (started !== undefined && isKill(sandbox.end) && (await started.container.exited).oomKilled)
        sandbox.end = exited({ code: 137, oomKilled: true });
    } catch (error) {
      onError(`the container of the sandbox ${id} could not be removed`, error);
    }
    const at = now();
    if (sandbox.end !== undefined)
      await store.finish(id, sandbox.end, at).catch((error: unknown) => onError(`the end of the sandbox ${id} could not be stored`, error));
    if (++this.#endedCount % PRUNE_EVERY === 0)
      await store.prune(at - KEPT_MS, MAX_KEPT).catch((error: unknown) => onError("records of old sandboxes could not be dropped", error));
    sandbox.record = { ...sandbox.record, finishedAt: at, result: sandbox.end };
    this.#names.delete(nameKey(record.appId, sandbox.record.name));
    this.#liveCount -= 1;
    sandbox.apply("removed");
    this.#options.deadlines.add(at + ENDED_MS, () => this.#forget(sandbox));
    const ended = [...this.#byId.values()].filter(({ state }) => state === "ended");
    for (const oldest of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) this.#forget(oldest);
  }

  #forget(sandbox: Sandbox): void {
    if (!this.#byId.delete(sandbox.id)) return;
    this.#byTask.delete(sandbox.taskId);
    const gone = Promise.all([sandbox.forget(), this.#options.execs.forget(sandbox.taskId)]);
    gone.catch((error: unknown) => this.#options.onError(`the files of the sandbox ${sandbox.id} could not be removed`, error));
  }
}

const isKill = (end: SandboxResult | undefined): boolean => end?.status === Status.FAILURE && end.exitCode === 137;

function startedText({ id, stages }: Sandbox): string {
  return `the sandbox ${id} runs: ${Object.entries(stages)
    .map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`)
    .join(", ")}`;
}

const nameKey = (appId: string, name: string): string => `${appId}/${name}`;
