// All pools and all containers. A container is a pool's from the moment it is given a function; its socket says which it is.
import { mkdir, rm } from "node:fs/promises";
import type { Container, ContainerHost } from "@lydian/containers";
import { type Function as FunctionDefinition, type Listener, LydianError } from "@lydian/protocol";
import type { Calls } from "../calls/calls.ts";
import { type AppsPort, type CalledFunction, type FunctionsPort, timeoutMsOf } from "../calls/functions-port.ts";
import { OUR_RUNTIME } from "../functions/refusals.ts";
import type { ContainerCaller } from "../identity/caller.ts";
import { newId } from "../ids.ts";
import type { LogEntry } from "../logs/logs.ts";
import { Capacity, type CapacityLimits, defaultCapacity } from "./capacity.ts";
import { type EndReport, PoolContainer } from "./container.ts";
import { type LaunchOptions, type LaunchPlan, linkAll, runContainer } from "./launch.ts";
import type { PrintedLine } from "./output-lines.ts";
import { boundsOf, limitsOf } from "./plan.ts";
import { Pool } from "./pool.ts";
import { NodeRuntime } from "./runtimes/node-runtime.ts";
import type { ClientPackagesPort, ImagesPort, LayoutsPort, MountsPort, SecretsPort } from "./runtimes/ports.ts";
import { PythonRuntime } from "./runtimes/python-runtime.ts";
import type { RuntimeKind, StandbyKind, StartAnswer } from "./runtimes/runtime-kind.ts";
import { Standbys } from "./standbys.ts";
import { GAVE_UP_GRACE_MS, GIVE_UP_MS, LEAVE_PATIENCE_MS, SHUTDOWN_GRACE_MS, STANDBY_GRACE_MS, STOP_GRACE_MS } from "./stop-times.ts";
import { EndedTasks, recordOf, type TaskRecord } from "./tasks.ts";
import { type AppNews, AppWatch } from "./watch.ts";
import { Watchdog } from "./watchdog.ts";

export interface LogsPort {
  append(entry: LogEntry): void;
}

export interface PoolsOptions {
  readonly calls: Calls;
  readonly functions: FunctionsPort;
  readonly apps: Pick<AppsPort, "isLive"> & LayoutsPort;
  readonly images: ImagesPort;
  readonly mounts: MountsPort;
  readonly secrets: SecretsPort;
  readonly clients: ClientPackagesPort;
  readonly logs: LogsPort;
  readonly host: ContainerHost;
  /** Opens a unix socket of the server whose callers are known by the label. */
  readonly listen: (path: string, label: string) => Promise<Listener>;
  /** For the containers' sockets and files. Short (socket paths have a limit), and on the filesystem of the mounts' files. */
  readonly runDir: string;
  /** Holds the programs of the runtimes. */
  readonly runtimeDir: string;
  readonly log: (message: string) => void;
  readonly limits?: Partial<CapacityLimits>;
  /** Kinds of containers, by image and runtime, that have a standby container. Default 2; 0 for none. */
  readonly standbyKinds?: number;
}

/** What becomes of the containers of a function that makes a layer of an image. */
export interface BuildContainers {
  readonly onLines: (lines: readonly PrintedLine[]) => void;
  /** The container has ended; its files are there until this resolves. */
  readonly onFiles: (taskId: string, running: Container) => Promise<void>;
}

export class Pools {
  readonly watchdog: Watchdog;
  readonly #options: PoolsOptions;
  readonly #calls: Calls;
  readonly #pools = new Map<string, Pool>();
  readonly #containers = new Map<string, PoolContainer>();
  readonly #capacity: Capacity;
  readonly #standbys: Standbys;
  readonly #watch: AppWatch;
  readonly #launch: LaunchOptions;
  readonly #node: RuntimeKind;
  readonly #python: RuntimeKind;
  /** By function: whoever waits for what its containers write. */
  readonly #builders = new Map<string, BuildContainers>();
  readonly #endedTasks = new EndedTasks();
  #started = false;
  #stopping = false;

  constructor(options: PoolsOptions) {
    const { calls, mounts, host, runDir, runtimeDir, listen, log } = options;
    const { clock, deadlines } = calls;
    this.#options = options;
    this.#calls = calls;
    this.#node = new NodeRuntime(options);
    this.#python = new PythonRuntime(options);
    this.#watch = new AppWatch(clock, deadlines);
    this.#capacity = new Capacity({ ...defaultCapacity(), ...options.limits }, () => this.#standbys.evict());
    this.#standbys = new Standbys({
      maxKinds: options.standbyKinds ?? 2,
      capacity: this.#capacity,
      clock,
      deadlines,
      start: (kind) => this.#startStandby(kind),
      stop: (container, reason) => this.stopContainer(container, reason, STANDBY_GRACE_MS),
    });
    this.watchdog = new Watchdog({
      calls,
      poolOf: (container) => this.poolOf(container),
      stop: (container, reason, graceMs) => this.stopContainer(container, reason, graceMs),
      end: (container) => this.#signalStop(container, STANDBY_GRACE_MS),
    });
    this.#launch = {
      host,
      runDir,
      runtimeDir,
      listen,
      log,
      clock,
      onFiles: async (container, running) => this.#builders.get(container.fn?.id ?? "")?.onFiles(container.taskId, running),
      linkInto: (mountId, prefix, dir) => mounts.linkInto(mountId, prefix, dir),
      onLines: (container, lines) => this.#print(container, lines),
      onStarted: (container) => this.#onStarted(container),
      onEnded: (container, report) =>
        this.#onEnded(container, report).catch((error: unknown) => log(`The end of ${container.taskId}: ${String(error)}`)),
    };
    calls.listen({
      ready: (functionId) => this.#pool(functionId)?.wake(),
      abandoned: (taskId, inputId, why, terminate) => this.#abandoned(taskId, inputId, why, terminate),
    });
  }

  /** Removes what an earlier process left in the run directory, then starts what queued inputs need. Until then nothing is started. */
  async start(): Promise<void> {
    await rm(this.#options.runDir, { recursive: true, force: true });
    await mkdir(this.#options.runDir, { recursive: true, mode: 0o700 });
    this.#started = true;
    for (const functionId of this.#calls.backlogged()) this.#pool(functionId)?.wake();
  }

  /** Gives what containers of a function print and write to `builder`, until that is done. */
  async buildWith<T>(functionId: string, builder: BuildContainers, work: () => Promise<T>): Promise<T> {
    this.#builders.set(functionId, builder);
    try {
      return await work();
    } finally {
      if (this.#builders.get(functionId) === builder) this.#builders.delete(functionId);
    }
  }

  /** A function is no longer one of its app. */
  unlist(functionId: string): void {
    this.#pools.get(functionId)?.unlist();
  }

  /** A function was published: its minimum of containers is started, and containers of earlier definitions are replaced. */
  ensure(functionId: string): void {
    const { functions } = this.#options;
    const fn = functions.get(functionId);
    if (fn === undefined) return;
    this.#expect(fn);
    // Its variants follow it.
    for (const pool of this.#pools.values()) {
      if (pool.fn.appId === fn.appId && pool.functionId !== functionId) this.#pool(pool.functionId);
    }
    if (boundsOf(fn.definition).minContainers > 0 || this.#pools.has(functionId)) this.#pool(functionId)?.wake();
  }

  /**
   * Gets ready what containers of such a function need, so that the first start finds it. Throws `failed_precondition` when there can
   * be none.
   */
  async prepare(definition: FunctionDefinition): Promise<void> {
    await this.#runtimeFor(definition).prepare(definition);
  }

  /** Cancels the app's calls and stops its containers. Resolves when they are gone. */
  async stopApp(appId: string, reason: string): Promise<void> {
    const pools = [...this.#pools.values()].filter((pool) => pool.fn.appId === appId);
    for (const pool of pools) pool.close();
    await this.#calls.cancelApp(appId, reason);
    const containers = pools.flatMap((pool) => [...pool.containers]);
    for (const container of containers) this.stopContainer(container, reason, STOP_GRACE_MS);
    await Promise.all(containers.map((container) => container.ended));
    for (const pool of pools) this.#pools.delete(pool.functionId);
    this.#watch.end(appId);
  }

  /** The app's pools now and whenever they change, at most ten times a second, until the app stops. */
  watch(appId: string, ...signals: readonly AbortSignal[]): AsyncGenerator<AppNews> {
    const read = () => [...this.#pools.values()].filter((pool) => pool.fn.appId === appId).map((pool) => pool.state);
    return this.#watch.watch(appId, read, signals);
  }

  /** Who calls on the socket with this label; undefined when the container is gone. */
  callerOf(taskId: string): ContainerCaller | undefined {
    const container = this.#containers.get(taskId);
    if (container === undefined) return undefined;
    const { workspaceId = "", environmentId = "", appId = "", id = "" } = container.fn ?? {};
    return { kind: "container", taskId, workspaceId, environmentId, appId, functionId: id };
  }

  /** Throws `not_found` when the container is gone. */
  container(taskId: string): PoolContainer {
    const container = this.#containers.get(taskId);
    if (container === undefined) throw new LydianError("not_found", `There is no container "${taskId}".`);
    return container;
  }

  poolOf(container: PoolContainer): Pool | undefined {
    return container.fn === undefined ? undefined : this.#pools.get(container.fn.id);
  }

  /** For whoever looks at one function. */
  stats(functionId: string): { readonly backlog: number; readonly running: number; readonly containers: number } {
    const { queue, running } = this.#calls.lane(functionId);
    return { backlog: queue.size, running, containers: this.#pools.get(functionId)?.containers.size ?? 0 };
  }

  /** Containers that have a function, and the latest of those that ended. */
  *tasks(): Iterable<TaskRecord> {
    for (const container of this.#containers.values()) {
      if (container.fn !== undefined && container.state !== "ended") yield recordOf(container, container.fn, 0);
    }
    yield* this.#endedTasks.all();
  }

  /** Answers Runtime.Start: waits until the container has a function. */
  async argumentsFor(container: PoolContainer, signal: AbortSignal): Promise<StartAnswer> {
    const { clock } = this.#calls;
    if (container.state === "booting" && container.fn === undefined) {
      container.apply("asked");
      this.#startOver(container);
    }
    if (container.state === "booting") container.stage("boot", clock.now());
    while (container.fn === undefined) {
      if (!container.live || signal.aborted) throw new LydianError("aborted", "This container will get no function.");
      await new Promise<void>((resolve) => {
        container.give = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    await container.prepared;
    if (!container.live) throw new LydianError("aborted", `The container is being stopped: ${container.stopReason ?? "its start failed"}`);
    container.apply("given");
    return this.#runtimeOf(container.fn).answer(container, container.fn);
  }

  /** ContainerHello, which the official runtime says before it has loaded the user's code. */
  hello(container: PoolContainer): void {
    if (container.fn === undefined || this.#runtimeOf(container.fn).readyAt === "hello") this.#takesInputs(container);
  }

  /** FunctionGetInputs: the first one says that the official runtime has loaded the user's code. */
  asksForInputs(container: PoolContainer): void {
    if (container.state !== "importing" || container.fn === undefined) return;
    if (this.#runtimeOf(container.fn).readyAt === "fetch") this.#takesInputs(container);
  }

  #takesInputs(container: PoolContainer): void {
    const { clock } = this.#calls;
    const was = container.state;
    container.apply("hello");
    if (was === "ready" || !container.live || container.fn === undefined) return;
    container.stage("import", clock.now());
    this.#startOver(container);
    this.watchdog.listen(container, container.fn);
    this.poolOf(container)?.becameReady(container);
    this.#watch.started(container.fn.appId, { taskId: container.taskId, functionId: container.fn.id, stageMs: container.stages });
    this.#expect(container.fn);
  }

  /** Takes nothing new from now on; ends when what runs has ended, at the latest by its timeout. */
  #retire(container: PoolContainer, reason: string): void {
    if (this.#calls.runningOn(container.taskId) === 0 || container.fn === undefined) {
      this.stopContainer(container, reason);
      return;
    }
    this.#takesNothing(container, reason);
    const { deadlines, clock } = this.#calls;
    const until = clock.now() + timeoutMsOf(container.fn.definition) + STOP_GRACE_MS;
    deadlines.cancel(container.deadline);
    container.deadline = deadlines.add(until, () => this.#signalStop(container, STOP_GRACE_MS));
  }

  #takesNothing(container: PoolContainer, reason: string): void {
    const was = container.state;
    container.stopReason = reason;
    container.apply("stop");
    this.poolOf(container)?.draining(container, was);
    container.give?.();
    container.beat?.();
  }

  /** Takes nothing new from now on; ends when what runs has ended, at most after the grace. */
  stopContainer(container: PoolContainer, reason: string, graceMs = STOP_GRACE_MS): void {
    if (!container.live) return;
    const { deadlines, clock } = this.#calls;
    const { fetch, state } = container;
    this.#takesNothing(container, reason);
    // Nothing of the user's has begun: to be interrupted would only make the interpreter complain into their log.
    if (state === "booting") {
      this.#signalStop(container, 0);
      return;
    }
    fetch?.answer([{ killSwitch: true }]);
    // Its loop was waiting and leaves by itself; whatever else it is doing needs the signal.
    if (fetch !== undefined && this.#calls.runningOn(container.taskId) === 0) {
      const patienceMs = graceMs < STOP_GRACE_MS ? graceMs : LEAVE_PATIENCE_MS;
      deadlines.add(clock.now() + patienceMs, () => this.#signalStop(container, STANDBY_GRACE_MS));
    } else if (container.abandoned.size > 0) {
      // Its code was told to give up: a signal on top would cut off what that does last.
      const interrupt = () => this.#signalStop(container, Math.min(graceMs, GAVE_UP_GRACE_MS));
      deadlines.add(clock.now() + Math.min(graceMs, GIVE_UP_MS), interrupt);
    } else this.#signalStop(container, graceMs);
  }

  /** Answers every long poll of containers now. */
  drain(): void {
    for (const container of this.#containers.values()) {
      const { fetch } = container;
      if (fetch !== undefined) {
        this.poolOf(container)?.unpark(container);
        fetch.answer([]);
      }
      container.beat?.();
    }
  }

  /** Ends every container, within a few seconds. What they were running is found again at the next start. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const pool of this.#pools.values()) pool.close();
    this.#standbys.close();
    const containers = [...this.#containers.values()];
    for (const container of containers)
      this.stopContainer(container, "the server is stopping", container.fn === undefined ? STANDBY_GRACE_MS : SHUTDOWN_GRACE_MS);
    await Promise.all(containers.map((container) => container.ended));
  }

  #pool(functionId: string): Pool | undefined {
    const known = this.#pools.get(functionId);
    const fn = this.#options.functions.get(functionId);
    if (known !== undefined) {
      if (fn !== undefined && fn !== known.fn) known.redefine(fn);
      return known;
    }
    if (fn === undefined || !this.#started || this.#stopping || !this.#options.apps.isLive(fn.appId)) return undefined;
    const pool = new Pool(fn, {
      calls: this.#calls,
      capacity: this.#capacity,
      startContainer: (of, queuedAt) => this.#startFor(of, queuedAt),
      stopContainer: (container, reason) => this.stopContainer(container, reason),
      retireContainer: (container, reason) => this.#retire(container, reason),
      changed: (appId) => this.#watch.changed(appId),
      log: this.#options.log,
    });
    this.#pools.set(functionId, pool);
    return pool;
  }

  #startFor(pool: Pool, queuedAt: number): { readonly impossible: string } | PoolContainer {
    const { definition } = pool.fn;
    const impossible = this.#whyImpossible(pool.fn);
    if (impossible !== undefined) return { impossible };
    const runtime = this.#runtimeOf(pool.fn);
    const standby = this.#standbys.take(runtime.standby(definition));
    if (standby !== undefined) {
      this.#specialise(standby, pool, queuedAt);
      return standby;
    }
    const container = this.#create(undefined);
    this.#adopt(container, pool, queuedAt);
    this.#run(container, () => runtime.plan(definition));
    return container;
  }

  #whyImpossible(fn: CalledFunction): string | undefined {
    const { images, secrets } = this.#options;
    const { definition } = fn;
    if (definition.imageId === "") return "The function names no image.";
    if (images.rootfs(definition.imageId) === undefined) return `The image ${definition.imageId} is not built.`;
    const gone = secrets.missing(definition.secretIds);
    if (gone !== undefined) return `The secret ${gone} of the function no longer exists.`;
    return this.#runtimeOf(fn).whyImpossible(definition);
  }

  #runtimeOf({ definition }: CalledFunction): RuntimeKind {
    return this.#runtimeFor(definition);
  }

  #runtimeFor(definition: FunctionDefinition): RuntimeKind {
    return definition.runtime === OUR_RUNTIME ? this.#node : this.#python;
  }

  /** Another container of the function, or of one like it, may be wanted soon. */
  #expect(fn: CalledFunction): void {
    const kind = this.#runtimeOf(fn).standby(fn.definition);
    if (kind !== undefined) this.#standbys.used(kind);
  }

  #startStandby(kind: StandbyKind): PoolContainer {
    const container = this.#create(kind);
    this.#run(container, kind.plan);
    return container;
  }

  #create(standby: StandbyKind | undefined): PoolContainer {
    const now = this.#calls.clock.now();
    const container = new PoolContainer({ taskId: newId("ta", now), standby, now });
    this.#containers.set(container.taskId, container);
    this.#capacity.startBegun();
    container.startCounted = true;
    return container;
  }

  #run(container: PoolContainer, plan: () => Promise<LaunchPlan>): void {
    container.ended = runContainer(container, plan, this.#launch).then(() => {
      this.#containers.delete(container.taskId);
      this.#capacity.containerEnded();
    });
  }

  /** From now on it is the pool's, for an input that is queued since then. */
  #adopt(container: PoolContainer, pool: Pool, queuedAt: number): void {
    container.fn = pool.fn;
    container.stageAt = queuedAt;
    container.stage("queue", this.#calls.clock.now());
    pool.adopted(container);
    this.watchdog.limitStart(container, pool.fn);
  }

  /** Makes a standby container one of the pool's. */
  #specialise(container: PoolContainer, pool: Pool, queuedAt: number): void {
    const { definition } = pool.fn;
    for (const name of Object.keys(container.stages)) delete container.stages[name];
    this.#adopt(container, pool, queuedAt);
    const limits = limitsOf(definition);
    const prepare = async () => {
      await linkAll(container, definition.mountIds, this.#launch);
      if (limits.cpu !== undefined || limits.memoryMiB !== undefined) await container.running?.update(limits);
      container.stage("create", this.#calls.clock.now());
    };
    container.prepared = prepare().catch((error: unknown) =>
      this.watchdog.failStart(container, `it could not be given its function: ${String(error)}`),
    );
    container.give?.();
  }

  #onStarted(container: PoolContainer): void {
    const { clock } = this.#calls;
    container.startedAt = clock.now();
    // Told to stop, or given up, while it was being made.
    if (!container.live || container.startFailure !== undefined) this.#signalStop(container, STANDBY_GRACE_MS);
    container.apply("started");
    container.stage("create", clock.now());
  }

  async #onEnded(container: PoolContainer, report: EndReport): Promise<void> {
    const { deadlines, clock } = this.#calls;
    const was = container.state;
    const { fetch } = container;
    container.apply("exited");
    deadlines.cancel(container.deadline);
    this.watchdog.gaveUp(container, [...container.abandoned.keys()]);
    fetch?.answer([]);
    container.give?.();
    container.beat?.();
    this.#startOver(container);
    const pool = this.poolOf(container);
    if (container.fn === undefined) this.#standbys.ended(container);
    else this.#endedTasks.add(recordOf(container, container.fn, clock.now()));
    await pool?.ended(container, was, report);
  }

  #startOver(container: PoolContainer): void {
    if (!container.startCounted) return;
    container.startCounted = false;
    this.#capacity.startOver();
  }

  #abandoned(taskId: string, inputId: string, why: "timeout" | "cancelled", terminate: boolean): void {
    const container = this.#containers.get(taskId);
    if (container?.fn === undefined || !container.live) return;
    const reason = "a call that it was running was cancelled with terminate_containers";
    if (terminate) this.stopContainer(container, reason, STANDBY_GRACE_MS);
    else this.watchdog.abandon(container, container.fn, inputId, why);
  }

  #signalStop(container: PoolContainer, graceMs: number): void {
    container.running
      ?.stop(graceMs)
      .catch((error: unknown) => this.#options.log(`Container ${container.taskId} could not be stopped: ${String(error)}`));
  }

  #print(container: PoolContainer, lines: readonly PrintedLine[]): void {
    const { fn, taskId } = container;
    if (fn === undefined) return;
    const builder = this.#builders.get(fn.id);
    if (builder !== undefined) {
      builder.onLines(lines);
      return;
    }
    const at = this.#calls.clock.now();
    const source = { appId: fn.appId, taskId, functionId: fn.id, ...container.lastInput };
    for (const { fd, text } of lines) this.#options.logs.append({ ...source, fd, text, at });
  }
}
