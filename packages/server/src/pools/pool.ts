// The containers of one function: when they come and go, and which input goes where.
import type { FunctionGetInputsItem } from "@lydian/protocol";
import type { Calls } from "../calls/calls.ts";
import { inputId } from "../calls/input-id.ts";
import { attemptOf, type LiveInput } from "../calls/live-call.ts";
import type { Failure } from "../calls/results.ts";
import type { FunctionRecord } from "../functions/functions.ts";
import { Deadlines } from "./deadlines.ts";
import { mayLeave, type PoolSettings, type PoolView, toStart } from "./policy.ts";
import type { PoolContainer } from "./pool-container.ts";
import { poolSettings } from "./settings.ts";

export interface PoolDependencies {
  readonly record: FunctionRecord;
  readonly calls: Calls;
  /** Starts a container, or says why none can be had now. */
  readonly start: (pool: Pool, queuedSince: number) => PoolContainer | string;
  /** Ends it: it may finish what runs. */
  readonly leave: (container: PoolContainer) => void;
  readonly onChange: (pool: Pool) => void;
  readonly now: () => number;
}

/** Starts that may fail one after the other before those who wait get the reason. */
const MAX_START_FAILURES = 3;
const FIRST_BACKOFF_MS = 200;

const KILL: FunctionGetInputsItem = { $typeName: "modal.client.FunctionGetInputsItem", inputId: "", killSwitch: true, functionCallId: "", functionCallInvocationType: 0, retryCount: 0 };

export class Pool {
  readonly record: FunctionRecord;
  readonly settings: PoolSettings;
  readonly containers = new Set<PoolContainer>();
  readonly deadlines: Deadlines;
  finished = 0;
  readonly #d: PoolDependencies;
  readonly #parked = new Set<PoolContainer>();
  #queuedSince = 0;
  #startFailures = 0;
  #backoffUntil = 0;
  #lastFailure = "";
  #refusal = "";
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(dependencies: PoolDependencies) {
    this.#d = dependencies;
    this.record = dependencies.record;
    this.settings = poolSettings(dependencies.record.definition);
    this.deadlines = new Deadlines(dependencies.calls.timeoutMs(this.record.id), dependencies.now, (inputs) => void dependencies.calls.timeOut(inputs));
  }

  get view(): PoolView {
    let running = 0;
    let containers = 0;
    for (const container of this.containers) {
      if (container.state === "draining" || container.state === "ended") continue;
      containers++;
      running += container.running.size;
    }
    return { backlog: this.#d.calls.backlog(this.record.id), running, containers };
  }

  /** Why its backlog waits; empty when nothing waits. */
  get waitingReason(): string {
    const { backlog } = this.view;
    if (backlog === 0) {
      const retries = this.#d.calls.waiting(this.record.id);
      return retries > 0 ? `${retries} inputs wait for their next attempt` : "";
    }
    if (this.#backoffUntil > this.#d.now()) return `a container failed to start and is tried again: ${this.#lastFailure}`;
    if (this.#refusal !== "") return this.#refusal;
    for (const { isStarting } of this.containers) if (isStarting) return "a container is starting";
    return "all containers are busy";
  }

  /** Something changed: hands out inputs, then starts what is missing. */
  evaluate(): void {
    if (this.#stopped) return;
    const { calls, now } = this.#d;
    for (const container of this.#parked) {
      if (calls.backlog(this.record.id) === 0) break;
      this.#serve(container);
    }
    const { view } = this;
    this.#queuedSince = view.backlog === 0 ? 0 : this.#queuedSince || now();
    this.#refusal = "";
    if (this.#backoffUntil <= now()) {
      for (let missing = toStart(view, this.settings); missing > 0; missing--) {
        const started = this.#d.start(this, this.#queuedSince || now());
        if (typeof started === "string") {
          this.#refusal = started;
          break;
        }
        this.containers.add(started);
      }
    }
    this.#arm();
    this.#d.onChange(this);
  }

  /** The container asks for up to `max` inputs. Resolves with some, with the order to leave, or with none after a bound. */
  async fetch(container: PoolContainer, max: number, limitMs: number, ...signals: readonly AbortSignal[]): Promise<FunctionGetInputsItem[]> {
    if (container.state === "draining" || this.#stopped || this.#usedUp(container)) return [KILL];
    container.parked?.answer([]);
    const { promise, resolve } = withResolvers<FunctionGetInputsItem[]>();
    const unpark = () => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", giveUp);
      if (container.parked === parked) container.parked = undefined;
      this.#parked.delete(container);
    };
    const giveUp = () => {
      unpark();
      resolve([]);
    };
    const parked = {
      max,
      answer: (items: FunctionGetInputsItem[]) => {
        unpark();
        resolve(items);
      },
    };
    const timer = setTimeout(giveUp, limitMs);
    timer.unref();
    for (const signal of signals) signal.addEventListener("abort", giveUp, { once: true });
    container.parked = parked;
    if (container.running.size === 0) container.idleSince ||= this.#d.now();
    this.#parked.add(container);
    this.#serve(container);
    if (container.parked === parked) this.#arm();
    return promise;
  }

  /** The container has answered these: their slots are free. */
  release(container: PoolContainer, answered: readonly { inputId: string; retryCount: number }[]): void {
    for (const { inputId: id, retryCount } of answered) {
      const input = container.running.get(id);
      if (!input || attemptOf(input) !== retryCount) continue;
      container.running.delete(id);
      this.deadlines.delete(input);
    }
    if (container.running.size === 0) container.idleSince = this.#d.now();
  }

  /** A container ended. `failure`: it never got as far as taking inputs. */
  async ended(container: PoolContainer, failure: Failure | undefined): Promise<void> {
    this.containers.delete(container);
    this.#parked.delete(container);
    container.parked?.answer([]);
    for (const input of container.running.values()) this.deadlines.delete(input);
    if (failure && !this.#stopped) await this.#startFailed(failure, container.startFailure !== undefined);
    this.evaluate();
  }

  started(): void {
    this.#startFailures = 0;
    this.#backoffUntil = 0;
  }

  /** Tells the container to finish what it has and go. */
  dismiss(container: PoolContainer): void {
    container.on("leave");
    container.parked?.answer([KILL]);
    this.#d.leave(container);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.deadlines.stop();
  }

  #usedUp(container: PoolContainer): boolean {
    const { singleUseContainers, maxInputs } = this.record.definition;
    const bound = singleUseContainers ? 1 : maxInputs;
    return bound > 0 && container.taken >= bound;
  }

  #serve(container: PoolContainer): void {
    const { parked } = container;
    if (!parked || container.state !== "ready") return;
    const { singleUseContainers } = this.record.definition;
    const free = Math.min(parked.max, this.settings.slots - container.running.size, singleUseContainers ? 1 : Number.POSITIVE_INFINITY);
    const inputs = free > 0 ? this.#d.calls.take(this.record.id, free, container.taskId) : [];
    if (inputs.length === 0) return;
    container.idleSince = 0;
    container.taken += inputs.length;
    const items = inputs.map((input) => {
      const item = itemOf(input);
      container.running.set(item.inputId, input);
      this.deadlines.add(input);
      return item;
    });
    parked.answer(items);
  }

  async #startFailed(failure: Failure, isFinal: boolean): Promise<void> {
    this.#startFailures++;
    this.#lastFailure = failure.text.split("\n")[0] ?? "";
    const others = [...this.containers].some((other) => other.state === "ready" || other.isStarting);
    if (!others && (isFinal || this.#startFailures >= MAX_START_FAILURES)) {
      this.#startFailures = 0;
      this.#backoffUntil = this.#d.now() + FIRST_BACKOFF_MS;
      await this.#d.calls.failQueued(this.record.id, failure);
      return;
    }
    this.#backoffUntil = this.#d.now() + FIRST_BACKOFF_MS * 2 ** Math.min(this.#startFailures - 1, 8);
  }

  /** One timer: the end of a back-off, or the moment when the longest idle container may go. */
  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    const now = this.#d.now();
    let at = this.#backoffUntil > now ? this.#backoffUntil : Number.POSITIVE_INFINITY;
    for (const { parked, running, idleSince } of this.containers) {
      if (parked && running.size === 0 && idleSince > 0) at = Math.min(at, Math.max(now + 20, idleSince + this.settings.scaledownWindowMs));
    }
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#dismissIdle(), Math.min(at - now, 2_000_000_000));
    this.#timer.unref();
  }

  #dismissIdle(): void {
    const now = this.#d.now();
    const idle = [...this.containers].filter(({ parked, running, idleSince }) => parked && running.size === 0 && idleSince > 0);
    for (const container of idle.sort((a, b) => a.idleSince - b.idleSince)) {
      if (mayLeave(this.view, this.settings, now - container.idleSince)) this.dismiss(container);
      // Kept as the minimum: look again after another window.
      else if (now - container.idleSince >= this.settings.scaledownWindowMs) container.idleSince = now;
    }
    this.evaluate();
  }
}

function itemOf(input: LiveInput): FunctionGetInputsItem {
  const { id, identity } = input.call;
  return {
    $typeName: "modal.client.FunctionGetInputsItem",
    inputId: inputId(id, input.idx),
    input: input.input,
    killSwitch: false,
    functionCallId: id,
    functionCallInvocationType: identity.invocation,
    retryCount: attemptOf(input),
    functionMapIdx: input.idx,
  };
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}
