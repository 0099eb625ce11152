// Calls, from the acknowledged input to the output that a client reads. The journal comes first in both directions:
// an input is acknowledged, and an output becomes visible, once it is on disk.
import {
  create,
  type DataChunk,
  FunctionGetOutputsItemSchema,
  type FunctionGetOutputsItem,
  type FunctionInput,
  type FunctionPutOutputsItem,
  GenericResult_GenericStatus as Status,
  LydianError,
} from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import type { FunctionRecord } from "../functions/functions.ts";
import { newId } from "../ids.ts";
import { afterAttempt, type AttemptEnd } from "./attempt.ts";
import { Due } from "./due.ts";
import { FunctionQueue } from "./function-queue.ts";
import { parseInputId } from "./input-id.ts";
import { attemptOf, type CallIdentity, LiveCall, type LiveInput } from "./live-call.ts";
import { LiveCalls } from "./live-calls.ts";
import { cancelled, type Failure, failureOutput, timedOut } from "./results.ts";
import { retryRulesOf, timeoutMsOf } from "./rules.ts";
import { CallStore } from "./store.ts";

export interface CallsDependencies {
  readonly database: Database;
  readonly functions: { get(functionId: string): FunctionRecord | undefined };
  /** Whether the app of a call still runs. */
  readonly isLive: (appId: string) => boolean;
  readonly now?: () => number;
}

/** Told when something happens that containers must know. The pools. */
export interface CallsListener {
  onWork(functionId: string): void;
  /** A running input is not wanted any more. */
  onAbandoned(input: LiveInput, terminateContainer: boolean): void;
  onOutputs(functionId: string, count: number): void;
}

/** Inputs of one function that may wait; more are refused until some are done. */
export const MAX_QUEUED_INPUTS = 1_000_000;
/** Calls can be read for seven days. */
export const KEEP_MS = 7 * 24 * 3_600_000;
const CANCEL_BATCH = 1_000;
/** A client gives up repeating a request well before this. */
const REPEAT_MS = 300_000;

export interface NewInput {
  readonly idx: number;
  readonly input: FunctionInput;
}

export interface NewCall extends Omit<CallIdentity, "id" | "createdAt"> {
  readonly inputs: readonly NewInput[];
}

type Change =
  | { readonly kind: "output"; readonly input: LiveInput; readonly output: FunctionGetOutputsItem; readonly seq: number }
  | { readonly kind: "again"; readonly input: LiveInput; readonly counters: { failures: number; losses: number }; readonly at: number };

export class Calls {
  readonly #database: Database;
  readonly #functions: CallsDependencies["functions"];
  readonly #store: CallStore;
  readonly #live: LiveCalls;
  readonly #now: () => number;
  readonly #queues = new Map<string, FunctionQueue>();
  readonly #waiting: Due<LiveInput>;
  readonly #waitingByFunction = new Map<string, number>();
  #listener: CallsListener | undefined;

  constructor({ database, functions, isLive, now = Date.now }: CallsDependencies) {
    this.#database = database;
    this.#functions = functions;
    this.#store = new CallStore(database);
    this.#live = new LiveCalls(this.#store, isLive);
    this.#now = now;
    this.#waiting = new Due(now, (inputs) => this.#enqueue(inputs));
  }

  listen(listener: CallsListener): void {
    this.#listener = listener;
  }

  stop(): void {
    this.#waiting.stop();
  }

  // ── from clients ────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes calls, all in one durable write. */
  async add(calls: readonly NewCall[]): Promise<LiveCall[]> {
    const createdAt = this.#now();
    for (const call of calls) this.#refuseWhenFull(call.functionId, call.inputs.length);
    const made = calls.map(({ inputs, ...identity }) => {
      const call = new LiveCall({ ...identity, id: newId("fc"), createdAt });
      return { call, inputs: inputs.map((input) => newLiveInput(call, input)) };
    });
    await this.#database.commit(() => {
      for (const [position, { call, inputs }] of made.entries()) {
        this.#store.insertCall(call.identity, position);
        for (const input of inputs) this.#store.insertInput(call.id, input.idx, input.input);
      }
    });
    for (const { call, inputs } of made) {
      this.#live.add(call);
      for (const input of inputs) call.open.set(input.idx, input);
      this.#enqueue(inputs);
    }
    return made.map(({ call }) => call);
  }

  /** Adds inputs to a call. An index that the call has already is left as it is: the client repeats itself. */
  async addInputs(call: LiveCall, added: readonly NewInput[]): Promise<void> {
    if (call.cancelled) throw new LydianError("failed_precondition", `The call ${call.id} was cancelled: it takes no more inputs.`);
    this.#refuseWhenFull(call.identity.functionId, added.length);
    const inputs: LiveInput[] = [];
    for (const input of added) {
      if (call.open.has(input.idx) || call.byIdx.has(input.idx)) continue;
      const live = newLiveInput(call, input);
      // Known from here on, so that a repetition that overtakes the commit adds nothing.
      call.open.set(input.idx, live);
      inputs.push(live);
    }
    try {
      await this.#database.commit(() => {
        for (const input of inputs) this.#store.insertInput(call.id, input.idx, input.input);
      });
    } catch (error) {
      for (const { idx } of inputs) call.open.delete(idx);
      throw error;
    }
    this.#live.add(call);
    this.#enqueue(inputs);
  }

  /** In memory, or read back from the journal. */
  find(callId: string): LiveCall | undefined {
    return this.#live.find(callId);
  }

  /** Calls that a request with this key made before this process started, in order. */
  byIdempotencyKey(key: string, workspaceId: string): LiveCall[] {
    return this.#store.recentIds(key, workspaceId, this.#now() - REPEAT_MS).flatMap((id) => this.find(id) ?? []);
  }

  async cancel(call: LiveCall, reason: string, terminateContainers = false): Promise<void> {
    if (!call.cancelled) await this.#database.commit(() => this.#store.markCancelled(call.id));
    call.cancelled = true;
    const open = [...call.open.values()];
    for (let at = 0; at < open.length; at += CANCEL_BATCH) {
      await this.#fail(open.slice(at, at + CANCEL_BATCH), cancelled(reason), terminateContainers);
    }
  }

  async cancelApp(appId: string, reason: string): Promise<void> {
    for (const call of this.#live.ofApp(appId)) await this.cancel(call, reason);
  }

  async addChunks(call: LiveCall, chunks: readonly DataChunk[]): Promise<void> {
    await this.#database.commit(() => {
      for (const chunk of chunks) this.#store.insertChunk(call.id, chunk);
    });
    for (const chunk of chunks) call.data.add(chunk);
  }

  // ── towards containers ──────────────────────────────────────────────────────────────────────────────────────

  /** Inputs that a container could take now. */
  backlog(functionId: string): number {
    return this.#queues.get(functionId)?.size ?? 0;
  }

  /** Inputs that wait for their retry. */
  waiting(functionId: string): number {
    return this.#waitingByFunction.get(functionId) ?? 0;
  }

  /** Hands out up to `max` inputs to a container. */
  take(functionId: string, max: number, taskId: string): LiveInput[] {
    const taken = this.#queues.get(functionId)?.take(max) ?? [];
    const now = this.#now();
    for (const input of taken) {
      input.state = "running";
      input.taskId = taskId;
      input.startedAt = now;
    }
    return taken;
  }

  /** Gives back what was taken for a container that went away before it got it. No attempt is charged. */
  giveBack(inputs: readonly LiveInput[]): void {
    this.#enqueue(inputs.filter(({ state }) => state === "running"));
  }

  /** A container answers. Resolves when all of it is durable; what comes from an abandoned attempt is left out. */
  async answer(taskId: string, items: readonly FunctionPutOutputsItem[]): Promise<void> {
    const changes: Change[] = [];
    for (const item of items) {
      const input = this.#attempt(taskId, item);
      if (input) changes.push(this.#afterAnswer(input, item));
    }
    await this.#apply(changes);
  }

  /** Their container ended while they ran. */
  async lost(inputs: readonly LiveInput[], failure: Failure): Promise<void> {
    const charged: AttemptEnd = failure.status === Status.KERNEL_OOM_KILL ? { kind: "failed", retriable: true } : { kind: "lost" };
    await this.#apply(inputs.filter(isRunning).map((input) => this.#afterFailure(input, charged, failure)));
  }

  async timeOut(inputs: readonly LiveInput[]): Promise<void> {
    const running = inputs.filter(isRunning);
    for (const input of running) this.#listener?.onAbandoned(input, false);
    await this.#apply(
      running.map((input) => this.#afterFailure(input, { kind: "failed", retriable: true }, timedOut(this.timeoutMs(input.call.identity.functionId)))),
    );
  }

  /** No container can be had: everything that waits for one gets the reason. */
  async failQueued(functionId: string, failure: Failure): Promise<void> {
    for (;;) {
      const inputs = this.#queues.get(functionId)?.take(CANCEL_BATCH) ?? [];
      if (inputs.length === 0) return;
      await this.#fail(inputs, failure, false);
    }
  }

  timeoutMs(functionId: string): number {
    const record = this.#functions.get(functionId);
    return record ? timeoutMsOf(record.definition) : 0;
  }

  // ── after a restart ─────────────────────────────────────────────────────────────────────────────────────────

  /** Queues again what was open when the last process ended. What was running is not charged with an attempt. */
  recover(appIds: readonly string[]): void {
    for (const appId of appIds) {
      for (const { identity, cancelled: wasCancelled } of this.#store.callsOfApp(appId)) {
        const open = this.#store.openInputs(identity.id);
        if (open.length === 0) continue;
        const call = this.#live.load(identity, wasCancelled);
        const due: LiveInput[] = [];
        for (const stored of open) {
          const input = { ...newLiveInput(call, stored), failures: stored.failures, losses: stored.losses };
          call.open.set(stored.idx, input);
          if (stored.notBefore > this.#now()) this.#wait(input, stored.notBefore);
          else due.push(input);
        }
        this.#live.add(call);
        this.#enqueue(due);
      }
    }
  }

  /** Deletes what is older than a client may ask for. */
  async sweep(): Promise<void> {
    while (await this.#database.commit(() => this.#store.deleteOld(this.#now() - KEEP_MS)));
  }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────

  #refuseWhenFull(functionId: string, more: number): void {
    if (this.backlog(functionId) + more <= MAX_QUEUED_INPUTS) return;
    throw new LydianError("resource_exhausted", `${MAX_QUEUED_INPUTS} inputs of this function are waiting already, which is the most that may.`, {
      retryAfterMs: 1_000,
    });
  }

  #enqueue(inputs: readonly LiveInput[]): void {
    const touched = new Set<string>();
    for (const input of inputs) {
      if (input.state === "done") continue;
      const { functionId } = input.call.identity;
      if (input.state === "waiting") this.#countWaiting(functionId, -1);
      let queue = this.#queues.get(functionId);
      if (!queue) {
        queue = new FunctionQueue();
        this.#queues.set(functionId, queue);
      }
      input.taskId = "";
      queue.add(input);
      touched.add(functionId);
    }
    for (const functionId of touched) this.#listener?.onWork(functionId);
  }

  #wait(input: LiveInput, at: number): void {
    input.state = "waiting";
    this.#countWaiting(input.call.identity.functionId, 1);
    this.#waiting.add(at, input);
  }

  #countWaiting(functionId: string, by: number): void {
    this.#waitingByFunction.set(functionId, this.waiting(functionId) + by);
  }

  /** The running attempt that this output belongs to. */
  #attempt(taskId: string, item: FunctionPutOutputsItem): LiveInput | undefined {
    const id = parseInputId(item.inputId);
    const input = id && this.#live.get(id.callId)?.open.get(id.idx);
    return input?.state === "running" && input.taskId === taskId && attemptOf(input) === item.retryCount ? input : undefined;
  }

  #afterAnswer(input: LiveInput, item: FunctionPutOutputsItem): Change {
    const status = item.result?.status ?? Status.UNSPECIFIED;
    const end = attemptEnd(status, item.result?.propagationReason ?? "");
    const rules = this.#rules(input);
    const decision = afterAttempt(end, input, rules);
    if (decision.kind === "again") return { kind: "again", input, counters: decision.counters, at: this.#now() + decision.delayMs };
    const output = create(FunctionGetOutputsItemSchema, {
      ...(item.result ? { result: item.result } : {}),
      idx: input.idx,
      inputId: item.inputId,
      dataFormat: item.dataFormat,
      taskId: input.taskId,
      inputStartedAt: item.inputStartedAt || input.startedAt / 1000,
      outputCreatedAt: item.outputCreatedAt || this.#now() / 1000,
    });
    return this.#output(input, output);
  }

  #afterFailure(input: LiveInput, end: AttemptEnd, failure: Failure): Change {
    const decision = afterAttempt(end, input, this.#rules(input));
    if (decision.kind === "again") return { kind: "again", input, counters: decision.counters, at: this.#now() + decision.delayMs };
    return this.#output(input, failureOutput(input, failure, this.#now()));
  }

  #rules(input: LiveInput) {
    const record = this.#functions.get(input.call.identity.functionId);
    const rules = record && retryRulesOf(record.definition);
    // Values of a generator have left already: running it again would send them twice.
    return rules && input.call.data.last === 0 ? rules : { retries: 0, initialDelayMs: 0, backoffCoefficient: 1, maxDelayMs: 0 };
  }

  #output(input: LiveInput, output: FunctionGetOutputsItem): Change {
    return { kind: "output", input, output, seq: input.call.nextSeq++ };
  }

  /** Ends open inputs with a failure, whatever state they are in. */
  async #fail(inputs: readonly LiveInput[], failure: Failure, terminateContainers: boolean): Promise<void> {
    const changes: Change[] = [];
    for (const input of inputs) {
      if (input.state === "done") continue;
      if (input.state === "queued" && input.taskId === "") this.#queues.get(input.call.identity.functionId)?.withdraw(input);
      if (input.state === "waiting") this.#countWaiting(input.call.identity.functionId, -1);
      if (input.state === "running") this.#listener?.onAbandoned(input, terminateContainers);
      changes.push(this.#output(input, failureOutput(input, failure, this.#now())));
    }
    await this.#apply(changes);
  }

  /** Journals what follows from attempts, then makes it visible. */
  async #apply(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const before = changes.map(({ input }) => input.state);
    // From here on no other answer counts.
    for (const { input } of changes) input.state = "done";
    try {
      await this.#database.commit(() => {
        for (const change of changes) {
          if (change.kind === "output") this.#store.recordOutput(change.input.call.id, change.output, change.seq);
          else this.#store.recordCounters(change.input, change.counters, change.at);
        }
      });
    } catch (error) {
      for (const [i, { input }] of changes.entries()) input.state = before[i] ?? "running";
      throw error;
    }
    this.#publish(changes);
  }

  #publish(changes: readonly Change[]): void {
    const again: LiveInput[] = [];
    const outputs = new Map<string, number>();
    const now = this.#now();
    for (const change of changes) {
      const { input } = change;
      if (change.kind === "output") {
        input.call.record(change.output);
        this.#live.touched(input.call);
        outputs.set(input.call.identity.functionId, (outputs.get(input.call.identity.functionId) ?? 0) + 1);
        continue;
      }
      input.failures = change.counters.failures;
      input.losses = change.counters.losses;
      if (change.at <= now) {
        input.state = "queued";
        again.push(input);
      } else this.#wait(input, change.at);
    }
    this.#enqueue(again);
    for (const [functionId, count] of outputs) this.#listener?.onOutputs(functionId, count);
  }
}

const isRunning = (input: LiveInput): boolean => input.state === "running";

const newLiveInput = (call: LiveCall, { idx, input }: NewInput): LiveInput => ({
  call,
  idx,
  input,
  state: "queued",
  failures: 0,
  losses: 0,
  taskId: "",
  startedAt: 0,
});

function attemptEnd(status: Status, reason: string): AttemptEnd {
  if (status === Status.SUCCESS || status === Status.TERMINATED) return { kind: "succeeded" };
  const after = /^retry-after:(\d{1,9})$/.exec(reason);
  return { kind: "failed", retriable: reason !== "non-retriable", ...(after ? { afterMs: Number(after[1]) } : {}) };
}

