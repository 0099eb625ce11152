// Function calls: what clients ask of them, and what pools take from them. The journal is the truth; memory is a view of what is live.
import {
  DataFormat,
  type FunctionCallInvocationType,
  type FunctionInput,
  LydianError,
  MAX_IDX,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import { newId } from "../ids.ts";
import { type Answer, Attempts, type AttemptsListener, type ContainerEnd, type Delivery } from "./attempts.ts";
import { Call, type CallKind, Input, type ResultInit } from "./call.ts";
import { CallTable } from "./call-table.ts";
import { type Clock, Deadlines, systemClock } from "./deadlines.ts";
import type { AppsPort, CalledFunction, FunctionsPort } from "./functions-port.ts";
import { GeneratorData } from "./generator-data.ts";
import { Journal } from "./journal.ts";
import { type Lane, Lanes } from "./lanes.ts";
import { OutputPolls } from "./output-polls.ts";
import { PayloadMemory } from "./payload-memory.ts";
import { terminatedResult } from "./results.ts";
import { CallStore } from "./store.ts";

export interface CallLimits {
  /** Inputs of one function without output. Default 1,000,000. */
  readonly maxOutstandingInputs: number;
  /** Their arguments together. Default 16 GiB. */
  readonly maxOutstandingBytes: number;
  /** Payloads kept in memory, of all functions. Default 256 MiB. */
  readonly memoryBytes: number;
  /** Inputs of finished calls kept in memory. Default 10,000. */
  readonly maxFinishedInputs: number;
  /** How long a finished call can be read. Default 7 days. */
  readonly retentionMs: number;
}

const DEFAULT_CALL_LIMITS: CallLimits = {
  maxOutstandingInputs: 1_000_000,
  maxOutstandingBytes: 16 * 1024 ** 3,
  memoryBytes: 256 * 1024 ** 2,
  maxFinishedInputs: 10_000,
  retentionMs: 7 * 24 * 60 * 60 * 1000,
};

export interface CallsOptions {
  readonly database: Database;
  readonly functions: FunctionsPort;
  readonly apps: Pick<AppsPort, "isLive">;
  readonly log: (message: string) => void;
  readonly limits?: Partial<CallLimits>;
  readonly clock?: Clock;
}

export interface NewInput {
  readonly idx: number;
  readonly payload: FunctionInput;
}

export interface NewCall {
  readonly fn: CalledFunction;
  readonly kind: CallKind;
  readonly invocation: FunctionCallInvocationType;
  readonly parentInputId: string;
  readonly inputs: readonly NewInput[];
}

const BUSY_RETRY_MS = 1000;
const SWEEP_INTERVAL_MS = 10 * 60 * 1000;
const SWEEP_CALLS = 500;

export class Calls {
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly polls: OutputPolls;
  readonly generators: GeneratorData;
  readonly #options: CallsOptions;
  readonly #limits: CallLimits;
  readonly #store: CallStore;
  readonly #journal: Journal;
  readonly #table: CallTable;
  readonly #lanes = new Lanes();
  readonly #memory: PayloadMemory;
  readonly #attempts: Attempts;
  /** Requests under way, so that one that is repeated meanwhile finds the first. */
  readonly #opening = new Map<string, Promise<Call[]>>();
  #lastSeq: number;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_CALL_LIMITS, ...options.limits };
    this.clock = options.clock ?? systemClock;
    this.deadlines = new Deadlines(this.clock, (error) => options.log(`A deadline failed: ${String(error)}`));
    this.#store = new CallStore(options.database);
    this.#lastSeq = this.#store.lastCallSeq();
    this.#journal = new Journal(options.database, this.#store);
    this.#memory = new PayloadMemory(this.#limits.memoryBytes);
    this.#table = new CallTable({ store: this.#store, memory: this.#memory, maxFinishedInputs: this.#limits.maxFinishedInputs });
    const parts = { store: this.#store, journal: this.#journal, deadlines: this.deadlines, clock: this.clock };
    this.polls = new OutputPolls(parts);
    this.generators = new GeneratorData(parts);
    this.#attempts = new Attempts({
      ...parts,
      polls: this.polls,
      table: this.#table,
      lanes: this.#lanes,
      memory: this.#memory,
      functions: options.functions,
      log: options.log,
      onCallEnded: (call) => this.generators.end(call),
    });
  }

  /** Finds again what an earlier process left: queued and running inputs are queued, delays go on. Call once, before pools start. */
  recover(): { readonly calls: number; readonly inputs: number } {
    let calls = 0;
    let inputs = 0;
    for (const row of this.#store.openCalls()) {
      const call = this.#table.load(row);
      calls++;
      if (call.closed && call.unfinished === 0) {
        this.#attempts.finish(call);
        continue;
      }
      call.yielded = this.#store.lastChunk(call.seq) > 0;
      const lane = this.#lanes.get(call.functionId);
      const again: Input[] = [];
      for (const input of call.inputs()) {
        if (input.state !== "queued") continue;
        lane.admit(input.bytes);
        again.push(input);
      }
      inputs += again.length;
      for (const input of again) this.#attempts.enqueue(input);
      const reason = this.#whyNotGoOn(call);
      if (reason !== undefined) this.#decideLater(call, again, terminatedResult(reason));
    }
    this.#sweepSoon(0);
    return { calls, inputs };
  }

  /** Makes calls, all in one durable write. `requestKey` names the request over its repetitions; `repeated` says that this may be one. */
  async open(requests: readonly NewCall[], requestKey: string | undefined, repeated: boolean): Promise<Call[]> {
    if (requestKey === undefined) return this.#open(requests, null);
    const underWay = this.#opening.get(requestKey);
    if (underWay !== undefined) return underWay;
    if (repeated) {
      const rows = this.#store.callsOfRequest(requestKey, requests.length);
      if (rows.length > 0) return rows.map((row) => this.#table.get(row.id) ?? this.#table.load(row));
    }
    const opening = this.#open(requests, requestKey).finally(() => this.#opening.delete(requestKey));
    this.#opening.set(requestKey, opening);
    return opening;
  }

  /** Adds inputs to a call. Those with an index that it has already are the same inputs again. Resolves when durable. */
  async put(call: Call, items: readonly NewInput[]): Promise<void> {
    if (call.cancelReason !== undefined)
      throw new LydianError("failed_precondition", `The call ${call.id} takes no inputs: ${call.cancelReason}`);
    const fresh = items.filter(({ idx }) => call.input(idx) === undefined);
    if (call.closed && fresh.length > 0) throw new LydianError("failed_precondition", `The call ${call.id} takes no more inputs.`);
    this.#checkRoom(call.functionId, fresh);
    await this.#durable(
      fresh.map((item) => this.#accept(call, item)),
      [],
    );
  }

  /** No more inputs will come. */
  async close(call: Call): Promise<void> {
    const { closed } = call;
    if (!closed) {
      call.closed = true;
      this.#journal.update(() => this.#store.closeCall(call));
    }
    try {
      await this.#journal.durable();
    } catch (error) {
      call.closed = closed;
      throw error;
    }
    this.#finishIfDone(call);
    this.polls.wake(call);
  }

  /** Every input without output is terminated. Resolves when that is durable; running code is told. */
  async cancel(call: Call, reason: string, terminateContainers: boolean): Promise<void> {
    const { closed, cancelReason } = call;
    if (cancelReason === undefined && !(closed && call.unfinished === 0)) {
      call.closed = true;
      call.cancelReason = reason;
      this.#journal.update(() => this.#store.closeCall(call));
    }
    try {
      await this.#attempts.decide(call.inputs(), terminatedResult(reason), DataFormat.UNSPECIFIED, terminateContainers);
    } catch (error) {
      // Nothing of it is in the journal: the call goes on, and so does its client's view of it.
      Object.assign(call, { closed, cancelReason });
      throw error;
    }
    this.#finishIfDone(call);
    this.polls.wake(call);
  }

  /** Every unfinished call of the app's functions is cancelled. */
  async cancelApp(appId: string, reason: string): Promise<void> {
    const { functions } = this.#options;
    const calls = [...this.#table.unfinished()].filter((call) => functions.get(call.functionId)?.appId === appId);
    await Promise.all(calls.map((call) => this.cancel(call, reason, false)));
    for (const functionId of new Set(calls.map((call) => call.functionId))) this.#lanes.drop(functionId);
  }

  /** Throws `not_found` for a call that is unknown, of another workspace, or no longer kept. */
  require(callId: string, workspaceId: string): Call {
    const call = this.#table.get(callId);
    if (call === undefined || this.#options.functions.get(call.functionId)?.workspaceId !== workspaceId) {
      throw new LydianError("not_found", `There is no function call "${callId}".`, {
        hint: `Calls are kept for ${this.#limits.retentionMs / 86_400_000} days after they end.`,
      });
    }
    return call;
  }

  // For pools.

  listen(listener: AttemptsListener): void {
    this.#attempts.listen(listener);
  }

  lane(functionId: string): Lane {
    return this.#lanes.get(functionId);
  }

  /** Functions with something queued. */
  *backlogged(): Iterable<string> {
    for (const lane of this.#lanes.all()) if (lane.queue.size > 0) yield lane.functionId;
  }

  take(functionId: string, taskId: string, max: number): Delivery[] {
    return this.#attempts.take(functionId, taskId, max);
  }

  answer(taskId: string, answers: readonly Answer[]): Promise<void> {
    return this.#attempts.answer(taskId, answers);
  }

  release(taskId: string, end: ContainerEnd): Promise<void> {
    return this.#attempts.release(taskId, end);
  }

  failQueued(functionId: string, result: ResultInit, format: DataFormat): Promise<void> {
    return this.#attempts.failQueued(functionId, result, format);
  }

  runningOn(taskId: string): number {
    return this.#attempts.runningOn(taskId);
  }

  /** A call of which this container runs an input, or has run it well; what it yields for any other call is of no interest. */
  callHeldBy(taskId: string, callId: string): Call | undefined {
    const call = this.#table.inMemory(callId);
    for (const held of call?.inputs() ?? []) {
      const counts = held.state === "running" || held.state === "recording" || held.output?.status === Status.SUCCESS;
      if (held.taskId === taskId && counts) return call;
    }
    return undefined;
  }

  /** Every poll is answered at once: who waits here in a loop must stop. */
  get isDraining(): boolean {
    return this.polls.isDraining;
  }

  /** Answers every long poll now. */
  drain(): void {
    this.polls.drain();
    this.generators.drain();
  }

  stop(): void {
    this.deadlines.close();
  }

  async #open(requests: readonly NewCall[], requestKey: string | null): Promise<Call[]> {
    for (const { fn, inputs } of requests) this.#checkRoom(fn.id, inputs);
    const now = this.clock.now();
    const inputs: Input[] = [];
    const calls = requests.map((request, at) => {
      const { kind, invocation, parentInputId } = request;
      const call = new Call({
        seq: ++this.#lastSeq,
        id: newId("fc", now),
        functionId: request.fn.id,
        kind,
        invocation,
        parentInputId,
        createdAt: now,
      });
      const [first] = request.inputs;
      call.closed = kind === "unary" && first !== undefined;
      call.alone = call.closed && first?.idx === 0;
      this.#table.add(call);
      this.#journal.call(call, at === 0 ? requestKey : null, call.alone ? first?.payload : undefined);
      for (const item of request.inputs) inputs.push(this.#accept(call, item));
      return call;
    });
    await this.#durable(inputs, calls);
    return calls;
  }

  /** Queues an input whose row is written at the end of this turn: containers need not wait for the disk, only the answer does. */
  #accept(call: Call, { idx, payload }: NewInput): Input {
    const { argsOneof } = payload;
    const bytes = argsOneof.case === "args" ? argsOneof.value.byteLength : 0;
    const input = new Input(call, idx, bytes);
    if (this.#memory.admit(bytes)) input.payload = payload;
    call.add(input);
    this.#lanes.get(call.functionId).admit(bytes);
    if (!call.alone) this.#journal.input(input, payload);
    this.#attempts.enqueue(input);
    return input;
  }

  /** Resolves when the rows are on the disk. When they cannot be written, none of it has happened. */
  async #durable(inputs: readonly Input[], calls: readonly Call[]): Promise<void> {
    try {
      await this.#journal.durable();
    } catch (error) {
      this.#attempts.withdraw(inputs);
      for (const call of calls) this.#table.drop(call);
      throw error;
    }
  }

  #checkRoom(functionId: string, items: readonly NewInput[]): void {
    for (const { idx } of items) {
      if (!Number.isInteger(idx) || idx < 0 || idx > MAX_IDX)
        throw new LydianError("invalid_argument", `An input has the index ${idx}; it must be 0 to ${MAX_IDX}.`);
    }
    const lane = this.#lanes.get(functionId);
    const { maxOutstandingInputs, maxOutstandingBytes } = this.#limits;
    if (lane.outstanding + items.length <= maxOutstandingInputs && lane.outstandingBytes <= maxOutstandingBytes) return;
    throw new LydianError(
      "resource_exhausted",
      `The function has ${lane.outstanding} inputs of ${lane.outstandingBytes} bytes that are not done; at most ${maxOutstandingInputs} of ${maxOutstandingBytes} bytes are taken.`,
      { retryAfterMs: BUSY_RETRY_MS },
    );
  }

  #finishIfDone(call: Call): void {
    if (call.closed && call.unfinished === 0) this.#attempts.finish(call);
  }

  #whyNotGoOn(call: Call): string | undefined {
    if (call.cancelReason !== undefined) return call.cancelReason;
    const fn = this.#options.functions.get(call.functionId);
    if (fn === undefined) return "The function no longer exists.";
    return this.#options.apps.isLive(fn.appId) ? undefined : "The app was stopped.";
  }

  #decideLater(call: Call, inputs: readonly Input[], result: ResultInit): void {
    call.closed = true;
    const decided = this.#attempts.decide(inputs, result).then(() => this.#finishIfDone(call));
    decided.catch((error: unknown) => this.#options.log(`The end of ${call.id} could not be recorded: ${String(error)}`));
  }

  #sweepSoon(ms: number): void {
    this.deadlines.add(this.clock.now() + ms, () => {
      const before = this.clock.now() - this.#limits.retentionMs;
      this.#options.database
        .commit(() => this.#store.deleteFinished(before, SWEEP_CALLS))
        .then(
          (ids) => {
            this.#table.forget(ids);
            this.#sweepSoon(ids.length === SWEEP_CALLS ? 1000 : SWEEP_INTERVAL_MS);
          },
          (error: unknown) => {
            this.#options.log(`Old calls could not be deleted: ${String(error)}`);
            this.#sweepSoon(SWEEP_INTERVAL_MS);
          },
        );
    });
  }
}
