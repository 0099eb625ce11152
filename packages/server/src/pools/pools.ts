// All pools, all containers: the only place that starts and ends them.
import { totalmem } from "node:os";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerHost } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ContainerArgumentsSchema, PoolStateSchema } from "@lydian/protocol";
import type { Calls, CallsListener } from "../calls/calls.ts";
import { inputId } from "../calls/input-id.ts";
import type { LiveInput } from "../calls/live-call.ts";
import type { Failure } from "../calls/results.ts";
import type { FunctionRecord } from "../functions/functions.ts";
import { newId } from "../ids.ts";
import type { ContainerCaller } from "../identity/caller.ts";
import { deathFailure, startFailure } from "./failure-text.ts";
import { fitsStandby, launch, type LaunchDependencies, type Launched, placeFiles } from "./launch.ts";
import { LogLines } from "./log-lines.ts";
import { Pool } from "./pool.ts";
import { PoolContainer } from "./pool-container.ts";
import { containerLimits, startupLimitMs } from "./settings.ts";
import { Standby } from "./standby.ts";
import { AppFeed } from "./watch.ts";

export interface PoolsDependencies extends LaunchDependencies {
  readonly host: ContainerHost;
  readonly calls: Calls;
  readonly functions: { get(functionId: string): FunctionRecord | undefined };
  readonly logs: { append(entry: LogEntry): void };
  /** What a container of this function must know of its app, and the name of its environment. */
  readonly describe: (record: FunctionRecord) => { layout: NonNullable<MessageInitShape<typeof ContainerArgumentsSchema>["appLayout"]>; environmentName: string };
  readonly runDir: string;
  /** Containers at once; default by the machine's memory. */
  readonly maxContainers?: number;
  /** Told about faults of the server's own. */
  readonly onError: (error: unknown, what: string) => void;
  readonly now?: () => number;
}

interface LogEntry {
  readonly appId: string;
  readonly taskId?: string;
  readonly functionId?: string;
  readonly fd: 1 | 2 | 3;
  readonly text: string;
  readonly at: number;
}

const STOP_GRACE_MS = 5_000;
/** An input that nobody waits for may hold its container this long. */
const ABANDON_GRACE_MS = 3_000;
const MIN_CONTAINER_MIB = 96;

export class Pools implements CallsListener {
  readonly #d: PoolsDependencies;
  readonly #now: () => number;
  readonly #pools = new Map<string, Pool>();
  readonly #byTask = new Map<string, PoolContainer>();
  readonly #launched = new Map<PoolContainer, Launched>();
  readonly #feeds = new Map<string, AppFeed>();
  readonly #standby: Standby;
  readonly #maxContainers: number;
  readonly #ending = new Set<Promise<void>>();
  #starting = 0;
  #stopped = false;

  constructor(dependencies: PoolsDependencies) {
    this.#d = dependencies;
    this.#now = dependencies.now ?? Date.now;
    this.#maxContainers = dependencies.maxContainers ?? Math.max(16, Math.floor(totalmem() / 2 ** 20 / MIN_CONTAINER_MIB));
    this.#standby = new Standby({
      start: (imageId) => this.#startStandby(imageId),
      discard: (container) => void this.#end(container, "It is not needed any more.", 0),
      isQuiet: () => this.#starting === 0 && this.#byTask.size < this.#maxContainers,
    });
    dependencies.calls.listen(this);
  }

  // ── from calls ──────────────────────────────────────────────────────────────────────────────────────────────

  onWork(functionId: string): void {
    this.#pool(functionId)?.evaluate();
  }

  onOutputs(functionId: string, count: number): void {
    const pool = this.#pools.get(functionId);
    if (!pool) return;
    pool.finished += count;
    this.#feeds.get(pool.record.appId)?.changed.wake();
  }

  onAbandoned(input: LiveInput, terminateContainer: boolean): void {
    const container = this.#byTask.get(input.taskId);
    const pool = this.#pools.get(input.call.identity.functionId);
    if (!container || !pool) return;
    pool.deadlines.delete(input);
    if (terminateContainer) return void this.#end(container, "Its call was cancelled together with its containers.", STOP_GRACE_MS);
    container.cancelled.add(inputId(input.call.id, input.idx));
    container.cancellations.wake();
    const since = this.#now();
    setTimeout(() => {
      const wanted = [...container.running.values()].some(({ state }) => state === "running");
      if (container.state === "ready" && !container.parked && container.idleSince <= since && !wanted) {
        void this.#end(container, "The code of an input that was cancelled or timed out did not stop.", 0);
      }
    }, ABANDON_GRACE_MS).unref();
  }

  // ── from containers ─────────────────────────────────────────────────────────────────────────────────────────

  callerOf(taskId: string): ContainerCaller | undefined {
    const container = this.#byTask.get(taskId);
    if (!container) return undefined;
    const { record } = container;
    return {
      kind: "container",
      taskId,
      workspaceId: record?.workspaceId ?? "",
      environmentId: record?.environmentId ?? "",
      appId: record?.appId ?? "",
      functionId: record?.id ?? "",
    };
  }

  /** The runtime asks what it is. A standby one waits here. */
  async arguments(taskId: string, signal: AbortSignal): Promise<MessageInitShape<typeof ContainerArgumentsSchema>> {
    const container = this.require(taskId);
    container.stage("boot", this.#now());
    container.on("asked");
    container.given.wake();
    while (!container.record) {
      if (signal.aborted || container.state === "ended") throw new LydianError("aborted", "This container is not needed any more.");
      await container.given.wait(3_600_000, signal);
    }
    const { record } = container;
    const { layout, environmentName } = this.#d.describe(record);
    return { taskId, functionId: record.id, appId: record.appId, functionDef: record.definition, runtime: record.definition.runtime, environmentName, appLayout: layout };
  }

  hello(taskId: string): void {
    const container = this.require(taskId);
    const pool = container.record && this.#pools.get(container.record.id);
    if (!pool || container.state !== "importing") return;
    container.stage("import", this.#now());
    container.on("hello");
    container.idleSince = this.#now();
    pool.started();
    this.#starting--;
    this.#feeds.get(pool.record.appId)?.containerStarted({ taskId, functionId: pool.record.id, stageMs: { ...container.stageMs } });
    if (fitsStandby(pool.record, this.#d.mounts)) this.#standby.used(container.imageId);
    pool.evaluate();
  }

  require(taskId: string): PoolContainer {
    const container = this.#byTask.get(taskId);
    if (!container) throw new LydianError("not_found", `There is no container ${JSON.stringify(taskId)}.`);
    return container;
  }

  poolOf(container: PoolContainer): Pool {
    const pool = container.record && this.#pools.get(container.record.id);
    if (!pool) throw new LydianError("failed_precondition", "This container has no function.");
    return pool;
  }

  // ── for clients ─────────────────────────────────────────────────────────────────────────────────────────────

  containers(): PoolContainer[] {
    return [...this.#byTask.values()];
  }

  stopContainer(container: PoolContainer, graceful: boolean): void {
    const pool = container.record && this.#pools.get(container.record.id);
    if (graceful && pool) pool.dismiss(container);
    else void this.#end(container, "It was stopped on request.", graceful ? STOP_GRACE_MS : 0);
  }

  stats(functionId: string): { backlog: number; running: number; containers: number } {
    const view = this.#pools.get(functionId)?.view ?? { backlog: this.#d.calls.backlog(functionId), running: 0, containers: 0 };
    return { ...view, backlog: view.backlog + this.#d.calls.waiting(functionId) };
  }

  watch(appId: string, ...signals: readonly AbortSignal[]) {
    return this.#feed(appId).follow(() => this.#states(appId), ...signals);
  }

  /** The app is published: pools that keep containers without work start them. */
  open(functionId: string): void {
    this.#pool(functionId)?.evaluate();
  }

  // ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends all work of an app. Resolves when no container of it is left. */
  async stopApp(appId: string, reason: string): Promise<void> {
    const pools = [...this.#pools.values()].filter(({ record }) => record.appId === appId);
    for (const pool of pools) pool.stop();
    await this.#d.calls.cancelApp(appId, reason);
    await Promise.all(pools.flatMap((pool) => [...pool.containers].map((container) => this.#end(container, reason, STOP_GRACE_MS))));
    for (const { record } of pools) this.#pools.delete(record.id);
    this.#feeds.get(appId)?.end();
    this.#feeds.delete(appId);
  }

  /** Ends every container; inputs that run stay open in the journal and run again after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const pool of this.#pools.values()) pool.stop();
    await this.#standby.stop();
    await Promise.all([...this.#byTask.values()].map((container) => this.#end(container, "The server is stopping.", STOP_GRACE_MS)));
    await Promise.all(this.#ending);
    for (const feed of this.#feeds.values()) feed.end();
    await rm(this.#d.runDir, { recursive: true, force: true });
  }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────

  #pool(functionId: string): Pool | undefined {
    const known = this.#pools.get(functionId);
    if (known || this.#stopped) return known;
    const record = this.#d.functions.get(functionId);
    if (!record) return undefined;
    const pool = new Pool({
      record,
      calls: this.#d.calls,
      now: this.#now,
      start: (of, queuedSince) => this.#start(of, queuedSince),
      leave: (container) => this.#leaveWithin(container),
      onChange: (of) => this.#feeds.get(of.record.appId)?.changed.wake(),
    });
    this.#pools.set(functionId, pool);
    return pool;
  }

  #feed(appId: string): AppFeed {
    let feed = this.#feeds.get(appId);
    if (!feed) {
      feed = new AppFeed();
      this.#feeds.set(appId, feed);
    }
    return feed;
  }

  #states(appId: string): MessageInitShape<typeof PoolStateSchema>[] {
    return [...this.#pools.values()]
      .filter(({ record }) => record.appId === appId)
      .map((pool) => {
        const { backlog, running } = pool.view;
        const all = [...pool.containers];
        return {
          functionId: pool.record.id,
          functionName: pool.record.name,
          backlog: backlog + this.#d.calls.waiting(pool.record.id),
          runningInputs: running,
          startingContainers: all.filter(({ isStarting }) => isStarting).length,
          readyContainers: all.filter(({ state }) => state === "ready").length,
          waitingReason: pool.waitingReason,
          finishedInputs: BigInt(pool.finished),
        };
      });
  }

  #start(pool: Pool, queuedSince: number): PoolContainer | string {
    if (this.#stopped) return "the server is stopping";
    const { record } = pool;
    const standby = fitsStandby(record, this.#d.mounts) ? this.#standby.take(record.definition.imageId) : undefined;
    if (standby) {
      standby.restartStages(this.#now());
      standby.stageMs.queue = this.#now() - queuedSince;
      standby.record = record;
      this.#starting++;
      this.#limitStart(standby, record);
      void this.#specialise(standby, record);
      return standby;
    }
    if (this.#byTask.size >= this.#maxContainers && !this.#standby.giveUpOne()) {
      return `${this.#byTask.size} containers exist, which is the most that this machine is set to hold`;
    }
    const container = this.#create(record.definition.imageId, record, queuedSince);
    this.#starting++;
    this.#limitStart(container, record);
    void this.#launch(container);
    return container;
  }

  #create(imageId: string, record?: FunctionRecord, queuedSince?: number): PoolContainer {
    const taskId = newId("ta");
    const container = new PoolContainer({
      taskId,
      imageId,
      dir: join(this.#d.runDir, taskId),
      now: this.#now(),
      ...(record ? { record } : {}),
      ...(queuedSince === undefined ? {} : { queuedSince }),
    });
    this.#byTask.set(taskId, container);
    return container;
  }

  async #specialise(container: PoolContainer, record: FunctionRecord): Promise<void> {
    try {
      await Promise.all([placeFiles(this.#d, record, container.dir), this.#launched.get(container)?.container.update(containerLimits(record.definition))]);
      container.stage("create", this.#now());
      container.stageMs.boot = 0;
      container.given.wake();
    } catch (error) {
      void this.#end(container, `The container could not be prepared: ${messageOf(error)}`, 0);
    }
  }

  async #launch(container: PoolContainer): Promise<boolean> {
    const environmentName = container.record ? this.#d.describe(container.record).environmentName : "";
    let launched: Launched;
    try {
      launched = await launch(this.#d, container, environmentName);
    } catch (error) {
      container.stopReason = `The container could not be created: ${messageOf(error)}`;
      await this.#gone(container);
      return false;
    }
    this.#launched.set(container, launched);
    container.container = launched.container;
    container.stage("create", this.#now());
    const ended = this.#follow(container, launched).finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
    if (container.stopReason !== undefined) void launched.container.stop(0);
    container.on("started");
    return true;
  }

  async #startStandby(imageId: string): Promise<PoolContainer | undefined> {
    const container = this.#create(imageId);
    if (!(await this.#launch(container))) return undefined;
    const until = this.#now() + 30_000;
    while (container.state === "creating" || container.state === "booting") {
      if (this.#now() > until || this.#stopped) break;
      await container.given.wait(until - this.#now());
    }
    if (container.state === "importing") return container;
    void this.#end(container, "It did not boot.", 0);
    return undefined;
  }

  /** Reads what it prints until it ends, then clears up. */
  async #follow(container: PoolContainer, launched: Launched): Promise<void> {
    const sinks = { stdout: this.#lines(container, 1), stderr: this.#lines(container, 2) };
    try {
      for await (const { stream, data } of launched.container.output) sinks[stream].write(data);
      for (const sink of Object.values(sinks)) sink.end();
      container.exit = await launched.container.exited;
    } catch (error) {
      this.#d.onError(error, `following the container ${container.taskId}`);
    }
    await this.#gone(container);
    this.#launched.delete(container);
    await launched.dispose();
  }

  #lines(container: PoolContainer, fd: 1 | 2): LogLines {
    return new LogLines((text) => {
      container.remember(text);
      const { record, taskId } = container;
      if (record) this.#d.logs.append({ appId: record.appId, functionId: record.id, taskId, fd, text, at: this.#now() });
    });
  }

  async #gone(container: PoolContainer): Promise<void> {
    const wasStarting = container.isStarting;
    const before = container.state;
    container.on("exit");
    if (before === "ended") return;
    this.#byTask.delete(container.taskId);
    container.given.wake();
    container.cancellations.wake();
    this.#standby.ended(container);
    const pool = container.record && this.#pools.get(container.record.id);
    if (!pool) return;
    // One that was told to leave before it was ready had been counted as starting, too.
    if (wasStarting || !("import" in container.stageMs)) this.#starting--;
    const lost = [...container.running.values()];
    try {
      const failure: Failure | undefined = wasStarting ? startFailure(container) : undefined;
      if (!this.#stopped) await this.#d.calls.lost(lost, deathFailure(container));
      await pool.ended(container, failure);
    } catch (error) {
      this.#d.onError(error, `clearing up after the container ${container.taskId}`);
    }
    if (this.#byTask.size === this.#maxContainers - 1) for (const other of this.#pools.values()) other.evaluate();
  }

  #limitStart(container: PoolContainer, record: FunctionRecord): void {
    const limitMs = startupLimitMs(record.definition);
    const timer = setTimeout(() => {
      if (container.isStarting) void this.#end(container, `The container was not ready within its startup timeout of ${limitMs / 1000} s.`, 0);
    }, limitMs);
    timer.unref();
    void container.ended.then(() => clearTimeout(timer));
  }

  /** It was told to leave; it has a while to do so. */
  #leaveWithin(container: PoolContainer): void {
    const limitMs = container.running.size > 0 ? this.#d.calls.timeoutMs(container.record?.id ?? "") + STOP_GRACE_MS : STOP_GRACE_MS;
    const timer = setTimeout(() => void this.#end(container, "It was told to leave and did not.", 0), limitMs);
    timer.unref();
    void container.ended.then(() => clearTimeout(timer));
  }

  /** Stops the process; resolves when it is gone. A start that is under way stops as soon as there is something to stop. */
  async #end(container: PoolContainer, reason: string, graceMs: number): Promise<void> {
    if (container.state === "ended") return;
    container.stopReason ??= reason;
    await container.container?.stop(container.isStarting ? 0 : graceMs).catch((error: unknown) => this.#d.onError(error, "stopping a container"));
    await container.ended;
  }

  /** Makes the directory for sockets, empty. */
  async start(): Promise<void> {
    await rm(this.#d.runDir, { recursive: true, force: true });
    await mkdir(this.#d.runDir, { recursive: true, mode: 0o700 });
  }

}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
