// All sandboxes: creating, finding and ending them. Those of this process are in memory, also for a while after their end, and those of
// earlier ones that have gone on; of others the database knows how they ended.
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { NetworkPolicy } from "@lydian/containers";
import { LydianError, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import type { Exec } from "../execs/exec.ts";
import { newSandboxIds } from "../ids.ts";
import type { TaskRecord } from "../pools/tasks.ts";
import { COMMAND, Commands } from "./commands.ts";
import { checkSandboxName, type ResolvedSandbox } from "./definition.ts";
import { IdleFreeze } from "./idle-freeze.ts";
import type { KeptSandbox } from "./kept-sandbox.ts";
import { SandboxNames } from "./names.ts";
import type { NewSandbox, SandboxesOptions, SandboxFilter } from "./options.ts";
import { waitUntilReady } from "./readiness.ts";
import { exited, idledOut, notStarted, type SandboxResult, terminated, timedOut } from "./results.ts";
import { Sandbox, type StartedContainer } from "./sandbox.ts";
import { ContainerEnded, type FoundContainer } from "./start-container.ts";
import type { SandboxRecord } from "./store.ts";

/** Ended ones whose output can still be read. */
const MAX_ENDED = 500;
const ENDED_MS = 3_600_000;
const LOOK_AGAIN_MS = 3_600_000;
/** How long the database knows how one ended, and of how many. */
const KEPT_MS = 30 * 86_400_000;
const MAX_KEPT = 100_000;
const PRUNE_EVERY = 500;
/** How long the end of a container may be unknown when its agent has gone. */
const GONE_MS = 10_000;
const RESTARTED = terminated("The server was restarted, and it ended with that.");

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #commands: Commands;
  readonly #idleFreeze: IdleFreeze;
  /** By id, oldest first. */
  readonly #byId = new Map<string, Sandbox>();
  readonly #byTask = new Map<string, Sandbox>();
  readonly #names = new SandboxNames();
  #liveCount = 0;
  #endedCount = 0;
  #lastCreatedAt = 0;
  #stopping = false;

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#commands = new Commands(options);
    this.#idleFreeze = new IdleFreeze({ ...options, afterMs: options.freezeIdleMs });
  }

  /** Goes on with those of an earlier server whose containers live, and ends the others in the database. Removes what is left of them. */
  async recover(): Promise<void> {
    const { store, dir, now } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const used = new Set<string>();
    await Promise.all(
      store.unfinished().map(async (record) => {
        const found = await this.#find(record);
        if (found instanceof Sandbox) for (const name of [record.taskId, found.key?.containerId ?? ""]) used.add(name);
        else await store.finish(record.id, found, now());
      }),
    );
    for (const name of await readdir(dir)) if (!used.has(name)) await rm(join(dir, name), { recursive: true, force: true });
  }

  /** One that goes on, or how it has ended. */
  async #find(record: SandboxRecord): Promise<Sandbox | SandboxResult> {
    const { files, outlive, findContainer, openPorts, deadlines, isAppLive, onError } = this.#options;
    const kept = outlive ? await files.read(record.taskId) : undefined;
    if (kept === undefined) return RESTARTED;
    const found = await findContainer(kept.key).catch((error: unknown) => {
      onError(`the container of the sandbox ${record.id} could not be found again`, error);
      return undefined;
    });
    if (found === undefined) return kept.end ?? RESTARTED;
    const end = kept.end ?? (isAppLive(record.appId) ? undefined : terminated("Its app was stopped."));
    if (end !== undefined) {
      await found.started.then(({ remove }) => remove()).catch(() => {});
      return end;
    }
    const { resolved, env, workdir, key, begunAt, startedAt, readyAt, mountedLayers, usedLayers, input } = kept;
    const sandbox = this.#make(record, resolved, env, workdir);
    Object.assign(sandbox, { key, begunAt, startedAt, readyAt, mountedLayers });
    sandbox.usedLayers.push(...usedLayers);
    sandbox.indexedInput.restore(input);
    this.#names.reserve(record.appId, record.name, record.id);
    this.#liveCount += 1;
    this.#lastCreatedAt = Math.max(this.#lastCreatedAt, record.createdAt);
    sandbox.deadline = deadlines.add(begunAt + resolved.timeoutMs, () => this.#end(sandbox, timedOut(resolved.timeoutMs)));
    sandbox.portsOpened = openPorts(sandbox);
    sandbox.portsOpened.catch((error: unknown) => onError(`the ports of the sandbox ${record.id} could not be opened again`, error));
    sandbox.started = this.#resume(sandbox, kept, found);
    sandbox.started.catch(() => {});
    return sandbox;
  }

  async #resume(sandbox: Sandbox, { startedAt }: KeptSandbox, found: FoundContainer): Promise<StartedContainer> {
    const { execs, now } = this.#options;
    try {
      const others = execs.recover(
        sandbox,
        found.started.then(({ agent }) => agent),
      );
      const started = await found.started;
      sandbox.isolation = started.container.isolation;
      started.agent.live(sandbox.restSeconds);
      this.#hasCommand(sandbox, await this.#commands.resume(sandbox, started.agent, (await others).get(COMMAND)));
      sandbox.startedAt = startedAt || now();
      if (sandbox.state === "starting") sandbox.apply("started");
      this.#watch(sandbox, started);
      return started;
    } catch (error) {
      // An agent without a server ends its sandbox when the time is up.
      const late = now() >= sandbox.begunAt + sandbox.resolved.timeoutMs;
      const oomKilled = error instanceof ContainerEnded && error.exit.oomKilled;
      const reason = error instanceof Error ? error.message : String(error);
      if (late) this.#end(sandbox, timedOut(sandbox.resolved.timeoutMs));
      else if (oomKilled) this.#end(sandbox, exited({ code: 137, oomKilled: true }));
      else this.#end(sandbox, terminated(`It ended while no server was running, or could not be gone on with afterwards. ${reason}`));
      throw error;
    }
  }

  /** Resolves when it is stored; its container is under way then. */
  async create({ generation, resolved, env, workdir, idempotencyKey, ...place }: NewSandbox): Promise<SandboxRecord> {
    const { store, now, maxSandboxes } = this.#options;
    if (this.#stopping) throw new LydianError("unavailable", "The server is stopping.");
    if (this.#liveCount >= maxSandboxes)
      throw new LydianError("resource_exhausted", `${this.#liveCount} sandboxes exist, the most this server runs at once.`, {
        hint: "Terminate some.",
      });
    const askedAt = performance.now();
    const { sandboxId, taskId } = newSandboxIds(generation, now());
    const { name, imageId } = resolved;
    const free = this.#names.reserve(place.appId, name, sandboxId);
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
    const sandbox = this.#make(record, resolved, env, workdir);
    sandbox.stages.store = performance.now() - askedAt;
    sandbox.started = this.#start(sandbox);
    sandbox.started.catch(() => {});
    return record;
  }

  #make(record: SandboxRecord, resolved: ResolvedSandbox, env: Readonly<Record<string, string>>, workdir: string): Sandbox {
    const { now, files, dir } = this.#options;
    const sandbox: Sandbox = new Sandbox({
      record,
      resolved,
      env,
      workdir,
      dir: join(dir, record.taskId),
      now,
      files,
      onUnused: () => this.#watchIdle(sandbox),
    });
    this.#byId.set(record.id, sandbox);
    this.#byTask.set(record.taskId, sandbox);
    return sandbox;
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
    const id = this.#names.get(appId, name);
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
    const free = this.#names.reserve(record.appId, name, record.id);
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

  /** Ends those that end with this server, and takes no more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#endAll(
      [...this.#byId.values()].filter(({ outlives }) => !outlives),
      "The server is stopping.",
    );
  }

  /** Lets go of those that live on. What is asked of them afterwards is refused. */
  async detach(): Promise<void> {
    await Promise.all(
      [...this.#byId.values()].map(async (sandbox) => {
        if (!sandbox.live) return this.wait(sandbox.record, LOOK_AGAIN_MS);
        // What is frozen would not end at its time.
        await sandbox.freezer.thaw().catch(() => {});
        sandbox.detached = true;
        await (await sandbox.started.catch(() => undefined))?.detach();
      }),
    );
  }

  async #endAll(sandboxes: readonly Sandbox[], reason: string): Promise<void> {
    await Promise.all(sandboxes.map((sandbox) => this.terminate(sandbox.record, reason)));
  }

  async #start(sandbox: Sandbox): Promise<StartedContainer> {
    const { now, startContainer, openPorts, deadlines, outlive, onStarted } = this.#options;
    const begun = now();
    sandbox.begunAt = begun;
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
      if (outlive && started.outlive !== undefined) {
        sandbox.key = await started.outlive(sandbox.restSeconds);
        await sandbox.keep();
      }
      this.#hasCommand(sandbox, await this.#commands.start(sandbox, started.agent));
      sandbox.startedAt = now();
      stage("command", at);
      onStarted(sandbox.startText);
      if (sandbox.state === "starting") sandbox.apply("started");
      this.#keep(sandbox);
      this.#watch(sandbox, started);
      return started;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#end(sandbox, notStarted(reason));
      throw error;
    }
  }

  #hasCommand(sandbox: Sandbox, exec: Exec | undefined): void {
    sandbox.command = exec;
    void exec?.done.then((exit) => this.#end(sandbox, exited(exit)));
  }

  /** What cannot be written down is only missing to the next server. */
  #keep(sandbox: Sandbox): void {
    sandbox
      .keep()
      .catch((error: unknown) =>
        this.#options.onError(`what the next server has to know of the sandbox ${sandbox.id} could not be written`, error),
      );
  }

  #watch(sandbox: Sandbox, { container, agent }: StartedContainer): void {
    const { now, deadlines } = this.#options;
    void container.exited.then((exit) => this.#end(sandbox, exited(exit)));
    // Who waits for the end of a container can be killed too.
    const lost = () => this.#end(sandbox, terminated("Its container does not answer any more."));
    void agent.gone.then(() => deadlines.add(now() + GONE_MS, lost));
    this.#watchIdle(sandbox);
    if (sandbox.readyAt > 0) return;
    if (sandbox.resolved.readiness === undefined) sandbox.readyAt = now();
    else
      void waitUntilReady(sandbox, sandbox.resolved.readiness).then((isReady) => {
        if (!isReady) return;
        sandbox.readyAt = now();
        sandbox.changed.wake();
        this.#keep(sandbox);
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
    if (!sandbox.live || sandbox.detached) return;
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
      // A server that is killed in between leaves less than a container, which says nothing of why.
      await sandbox.keep();
      if (sandbox.resolved.exitSnapshot && started !== undefined) await this.#options.keepFiles(sandbox, started);
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
    this.#names.free(record.appId, sandbox.record.name, id);
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
