// The containers of one function: hands them inputs, starts and stops them as the policy says, and gives up on a function whose
// containers cannot start. It decides on events, at most once a turn, and by numbers it keeps: nothing is scanned or polled.
import { DataFormat, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import type { ContainerEnd, Delivery } from "../calls/attempts.ts";
import type { ResultInit } from "../calls/call.ts";
import type { Calls } from "../calls/calls.ts";
import type { Deadline } from "../calls/deadlines.ts";
import { type CalledFunction, slotsOf } from "../calls/functions-port.ts";
import type { Lane } from "../calls/lanes.ts";
import { OUR_RUNTIME } from "../functions/refusals.ts";
import type { Batch } from "./batch.ts";
import type { Capacity } from "./capacity.ts";
import type { EndReport, PoolContainer } from "./container.ts";
import { endOf, startFailureText } from "./end-reason.ts";
import { boundsOf, maxInputsOf } from "./plan.ts";
import { decideScaling, MAX_START_ATTEMPTS, type PoolSnapshot, startRetryDelayMs } from "./policy.ts";

export interface PoolDependencies {
  readonly calls: Calls;
  readonly capacity: Capacity;
  /** Starts one for this pool, or answers why it will never work. */
  readonly startContainer: (pool: Pool, queuedAt: number) => { readonly impossible: string } | PoolContainer;
  readonly stopContainer: (container: PoolContainer, reason: string) => void;
  /** Lets it finish what it runs, and end. */
  readonly retireContainer: (container: PoolContainer, reason: string) => void;
  readonly changed: (appId: string) => void;
  readonly log: (message: string) => void;
}

const FIRST_START_GUESS_MS = 500;

export class Pool {
  readonly functionId: string;
  readonly containers = new Set<PoolContainer>();
  #fn: CalledFunction;
  readonly #dependencies: PoolDependencies;
  readonly #lane: Lane;
  /** Containers that wait for inputs; the last to come is the first to get, so that the others become idle. */
  readonly #parked: PoolContainer[] = [];
  /** Batches that wait for more, the oldest first. */
  readonly #batches = new Set<Batch>();
  /** Ready and without input, longest idle first. */
  readonly #idle = new Set<PoolContainer>();
  /** Those of an earlier definition, which finish what they run. */
  readonly #retired = new Set<PoolContainer>();
  /** Ready in name only: they have taken all the inputs they may, or their one slot is held by code that was given up. */
  readonly #spent = new Set<PoolContainer>();
  #starting = 0;
  #ready = 0;
  #startMs = FIRST_START_GUESS_MS;
  #failures = 0;
  #blockedUntil = 0;
  #lastFailure = "";
  #queuedSince = 0;
  #capacityReason: string | undefined;
  /** Has given up on keeping minContainers until something is asked of it. */
  #resting = false;
  #unlisted = false;
  #scheduled = false;
  #stopped = false;
  #again: Deadline | undefined;
  readonly #evaluateNow = () => this.#evaluate();

  constructor(fn: CalledFunction, dependencies: PoolDependencies) {
    this.#fn = fn;
    this.functionId = fn.id;
    this.#dependencies = dependencies;
    this.#lane = dependencies.calls.lane(fn.id);
  }

  get state() {
    return {
      functionId: this.functionId,
      functionName: this.fn.name,
      backlog: this.#lane.queue.size,
      runningInputs: this.#lane.running,
      startingContainers: this.#starting,
      readyContainers: this.#ready,
      waitingReason: this.waitingReason,
      finishedInputs: BigInt(this.#lane.finished),
    };
  }

  /** Why the backlog waits, for a person; empty when nothing waits. */
  get waitingReason(): string {
    if (this.#lane.queue.size === 0) return "";
    const now = this.#dependencies.calls.clock.now();
    if (this.#failures > 0 && this.#ready === 0) {
      const when = this.#blockedUntil > now ? `, again in ${((this.#blockedUntil - now) / 1000).toFixed(1)} s` : "";
      return `start ${this.#failures} of ${MAX_START_ATTEMPTS} failed${when}: ${this.#lastFailure}`;
    }
    if (this.#capacityReason !== undefined) return this.#capacityReason;
    if (this.#starting > 0 && this.#ready === 0) return "waiting for a container to start";
    const { maxContainers } = boundsOf(this.fn.definition);
    if (this.containers.size >= maxContainers)
      return `all slots of ${this.#ready} containers are busy, and ${maxContainers} is the most the function may have`;
    return "waiting for a free slot";
  }

  get fn(): CalledFunction {
    return this.#fn;
  }

  /** The function was published anew. Containers of another definition take nothing more, and those of the new one do not wait for them. */
  redefine(fn: CalledFunction): void {
    const isOther = fn.definitionId !== this.#fn.definitionId;
    this.#fn = fn;
    this.#unlisted = false;
    if (isOther) this.#retireAll("another definition of its function was published");
  }

  /** The function is no longer one of its app: no containers are kept for it. Calls by its id are still served. */
  unlist(): void {
    this.#unlisted = true;
    this.wake();
  }

  #retireAll(reason: string): void {
    for (const container of this.containers) {
      if (!container.live) continue;
      this.#retired.add(container);
      this.#dependencies.retireContainer(container, reason);
    }
  }

  /** Something about the function's inputs or containers changed. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#dispatch();
      this.#evaluate();
    });
  }

  /** A ready container asks for inputs, and there are none: it waits. */
  park(container: PoolContainer): void {
    this.#parked.push(container);
    this.#noteIdle(container);
    this.wake();
  }

  /** A batch takes what is queued from now on, until it is full or `gathered`. */
  gather(batch: Batch): void {
    this.#batches.add(batch);
    this.#fillBatches();
  }

  gathered(batch: Batch): void {
    this.#batches.delete(batch);
  }

  unpark(container: PoolContainer): void {
    const at = this.#parked.lastIndexOf(container);
    if (at >= 0) this.#parked.splice(at, 1);
    container.fetch = undefined;
    this.#noteIdle(container);
  }

  /** Whether the container's one slot is held by code whose input was given up: nothing more is expected of it meanwhile. */
  stuck(container: PoolContainer, isStuck: boolean): void {
    if (isStuck && container.live) this.#spent.add(container);
    else if (!this.#isUsedUp(container)) this.#spent.delete(container);
    this.wake();
  }

  /** An input of the container, or a process of a client in it, has begun or ended. */
  freed(container: PoolContainer): void {
    this.#noteIdle(container);
    this.wake();
  }

  adopted(container: PoolContainer): void {
    this.containers.add(container);
    this.#starting++;
    this.#dependencies.changed(this.fn.appId);
  }

  becameReady(container: PoolContainer): void {
    const took = this.#dependencies.calls.clock.now() - container.createdAt;
    this.#starting--;
    this.#ready++;
    this.#startMs = Math.round((this.#startMs + took) / 2);
    this.#failures = 0;
    this.#blockedUntil = 0;
    this.#dependencies.changed(this.fn.appId);
    this.wake();
  }

  /** The container was told to stop. `was` is its state before. */
  draining(container: PoolContainer, was: PoolContainer["state"]): void {
    if (was === "ready") this.#ready--;
    else this.#starting--;
    if (container.fetch !== undefined) this.unpark(container);
    this.#idle.delete(container);
    this.#spent.delete(container);
    this.wake();
  }

  /** Its inputs are queued again or fail. `was` is its state before. */
  async ended(container: PoolContainer, was: PoolContainer["state"], report: EndReport): Promise<void> {
    if (was !== "draining") this.draining(container, was);
    this.containers.delete(container);
    this.#retired.delete(container);
    this.#dependencies.changed(this.fn.appId);
    if (was !== "ready" && container.stopReason === undefined) await this.#startFailed(container, report);
    else await this.#release(container, report);
    this.wake();
  }

  /** The start of a container took too long, or it said why it could not start. */
  async #startFailed(container: PoolContainer, report: EndReport): Promise<void> {
    this.#failures++;
    this.#lastFailure = startFailureText(container, report, this.fn.definition);
    const delayMs = startRetryDelayMs(this.#failures);
    if (delayMs !== undefined) {
      this.#blockedUntil = this.#dependencies.calls.clock.now() + delayMs;
      this.#dependencies.log(`${container.taskId} of ${this.fn.name}: ${this.#lastFailure}`);
      return;
    }
    await this.#giveUp(container.startFailure);
  }

  /** Every waiting input gets the reason. A later input tries again. */
  async #giveUp(failure: ResultInit | undefined): Promise<void> {
    this.#failures = 0;
    this.#blockedUntil = 0;
    this.#resting = true;
    // Those that run serve what waits.
    if (this.#ready > 0) return;
    const result: ResultInit = { ...failure, status: Status.INIT_FAILURE, exception: this.#lastFailure };
    await this.#dependencies.calls.failQueued(
      this.functionId,
      result,
      // Official clients unpickle the data of a failure without a format.
      failure?.dataOneof?.case === undefined || this.fn.definition.runtime !== OUR_RUNTIME ? DataFormat.UNSPECIFIED : DataFormat.CBOR_TS,
    );
    this.#dependencies.changed(this.fn.appId);
  }

  async #release(container: PoolContainer, report: EndReport): Promise<void> {
    const end: ContainerEnd = endOf(container, report, this.fn.definition);
    await this.#dependencies.calls.release(container.taskId, end);
  }

  /** Stops deciding. Containers are its owner's to stop. */
  close(): void {
    this.#stopped = true;
    this.#dependencies.calls.deadlines.cancel(this.#again);
  }

  #fillBatches(): void {
    for (const batch of this.#batches) {
      if (this.#lane.queue.size === 0) return;
      const items = this.#dependencies.calls.take(this.functionId, batch.container.taskId, batch.room);
      this.handedOut(batch.container, items);
      batch.add(items);
    }
  }

  #dispatch(): void {
    const { calls } = this.#dependencies;
    this.#fillBatches();
    while (this.#lane.queue.size > 0) {
      const container = this.#parked.at(-1);
      const fetch = container?.fetch;
      if (container === undefined || fetch === undefined) return;
      // Several that wait share what there is.
      const share = Math.ceil(this.#lane.queue.size / this.#parked.length);
      const items = calls.take(this.functionId, container.taskId, Math.max(1, Math.min(fetch.max, share)));
      if (items.length === 0) return;
      this.#parked.pop();
      container.fetch = undefined;
      this.handedOut(container, items);
      fetch.answer(items);
    }
  }

  /** The container has been given inputs. */
  handedOut(container: PoolContainer, items: readonly Delivery[]): void {
    container.taken += items.length;
    // What it prints from now on belongs to this input, if it never has several.
    const { functionCallId: callId = "", inputId = "" } = items.at(-1) ?? {};
    if (slotsOf(this.#fn.definition).max === 1 && inputId !== "") container.lastInput = { callId, inputId };
    if (this.#isUsedUp(container)) this.#spent.add(container);
    this.#noteIdle(container);
    this.#queuedSince = 0;
    this.#dependencies.changed(this.fn.appId);
  }

  #isUsedUp(container: PoolContainer): boolean {
    const most = maxInputsOf(this.fn.definition);
    return most > 0 && container.taken >= most;
  }

  #noteIdle(container: PoolContainer): void {
    const { state, fetch, uses, taskId } = container;
    const idle = state === "ready" && fetch !== undefined && uses === 0 && this.#dependencies.calls.runningOn(taskId) === 0;
    if (!idle) {
      this.#idle.delete(container);
      container.idleSince = undefined;
    } else if (container.idleSince === undefined) {
      container.idleSince = this.#dependencies.calls.clock.now();
      this.#idle.add(container);
    }
  }

  #evaluate(): void {
    if (this.#stopped) return;
    const { calls, changed } = this.#dependencies;
    const now = calls.clock.now();
    calls.deadlines.cancel(this.#again);
    this.#again = undefined;
    if (this.#lane.queue.size > 0) {
      this.#resting = false;
      if (this.#queuedSince === 0) this.#queuedSince = now;
    } else {
      this.#capacityReason = undefined;
      changed(this.fn.appId);
    }
    const bounds = boundsOf(this.fn.definition);
    const decision = decideScaling(this.#snapshot(now), this.#resting || this.#unlisted ? { ...bounds, minContainers: 0 } : bounds);
    if (decision.againAt !== undefined) this.#lookAgain(decision.againAt);
    let stop = decision.stop;
    for (const container of this.#idle) {
      if (stop-- <= 0) break;
      this.#dependencies.stopContainer(container, "it was idle");
    }
    if (decision.start > 0) this.#start(Math.min(decision.start, bounds.maxContainers - this.containers.size + this.#retired.size), now);
  }

  #start(count: number, now: number): void {
    if (this.#blockedUntil > now) {
      this.#lookAgain(this.#blockedUntil);
      return;
    }
    const { capacity, startContainer, changed } = this.#dependencies;
    // After a failure one at a time: what fails once mostly fails again.
    const most = this.#failures > 0 ? Math.min(count, 1 - this.#starting) : count;
    for (let started = 0; started < most; started++) {
      this.#capacityReason = capacity.whyNot();
      if (this.#capacityReason !== undefined) {
        capacity.wait(this.#evaluateNow);
        break;
      }
      const made = startContainer(this, this.#queuedSince || now);
      if ("impossible" in made) {
        this.#lastFailure = made.impossible;
        this.#giveUp(undefined).catch((error: unknown) => this.#dependencies.log(`${this.fn.name}: ${String(error)}`));
        break;
      }
    }
    changed(this.fn.appId);
  }

  #lookAgain(at: number): void {
    const { calls } = this.#dependencies;
    if (this.#again !== undefined && this.#again.at <= at) return;
    calls.deadlines.cancel(this.#again);
    this.#again = calls.deadlines.add(at, () => {
      this.#again = undefined;
      this.wake();
    });
  }

  #snapshot(now: number): PoolSnapshot {
    const { calls } = this.#dependencies;
    let inSpent = 0;
    for (const container of this.#spent) inSpent += calls.runningOn(container.taskId);
    const oldest = this.#lane.queue.oldestQueuedAt();
    return {
      backlog: this.#lane.queue.size,
      running: Math.max(0, this.#lane.running - inSpent),
      slots: slotsOf(this.fn.definition).target,
      starting: this.#starting,
      ready: Math.max(0, this.#ready - this.#spent.size),
      idleSince: this.#idleSince(),
      meanInputMs: this.#lane.meanMs,
      oldestWaitMs: oldest === undefined ? 0 : now - oldest,
      startMs: this.#startMs,
      now,
    };
  }

  #idleSince(): number[] {
    const since: number[] = [];
    for (const container of this.#idle) if (container.idleSince !== undefined) since.push(container.idleSince);
    return since;
  }
}
