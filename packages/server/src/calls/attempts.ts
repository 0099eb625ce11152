// Inputs on their way: queued, handed to containers, answered, timed out, lost, retried. The state machine is in input-state.ts and
// the policy in retry-policy.ts; here they meet the journal and the clock.
//
// What a container answers is fenced by the container and the number of the hand-out: an answer of an abandoned attempt changes
// nothing. An output is visible once it is durable, and only then does the container hear that it was taken.
import {
  Bag,
  DataFormat,
  type FunctionGetInputsItemSchema,
  type FunctionInput,
  LydianError,
  type MessageInitShape,
  parseInputId,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import type { Call, Input, Output, ResultInit } from "./call.ts";
import type { CallTable } from "./call-table.ts";
import type { Clock, Deadlines } from "./deadlines.ts";
import { type FunctionsPort, retryPolicyOf, timeoutMsOf } from "./functions-port.ts";
import type { Journal } from "./journal.ts";
import type { Lane, Lanes } from "./lanes.ts";
import type { OutputPolls } from "./output-polls.ts";
import type { PayloadMemory } from "./payload-memory.ts";
import { lostResult, timeoutResult } from "./results.ts";
import { type AttemptEnd, afterAttempt } from "./retry-policy.ts";
import type { CallStore } from "./store.ts";

export interface AttemptsOptions {
  readonly table: CallTable;
  readonly store: CallStore;
  readonly journal: Journal;
  readonly lanes: Lanes;
  readonly memory: PayloadMemory;
  readonly polls: OutputPolls;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly functions: FunctionsPort;
  readonly log: (message: string) => void;
  /** Every input of a closed call has its output. */
  readonly onCallEnded: (call: Call) => void;
}

/** Whoever runs containers. */
export interface AttemptsListener {
  /** There is something to take for this function. */
  ready(functionId: string): void;
  /** The container still runs this input, whose output is decided. */
  abandoned(taskId: string, inputId: string, why: "timeout" | "cancelled", terminateContainer: boolean): void;
}

export interface Answer {
  readonly inputId: string;
  readonly retryCount: number;
  readonly result: ResultInit;
  readonly format: DataFormat;
  readonly startedAt: number;
  readonly createdAt: number;
}

/** Why a container no longer runs its inputs. */
export type ContainerEnd =
  /** `reason` is a sentence about the container. */
  { readonly kind: "lost"; readonly reason: string } | { readonly kind: "oom"; readonly reason: string } | { readonly kind: "displaced" };

export type Delivery = MessageInitShape<typeof FunctionGetInputsItemSchema>;

interface Pending {
  readonly input: Input;
  readonly output: Output;
  readonly wasRunning: boolean;
}

/** The runtime ends an input by its timeout itself and says so; this long after, the server does. */
const TIMEOUT_GRACE_MS = 250;
/** A decision that could not be recorded, on a full disk for example, is taken again after this. */
const UNRECORDED_DELAY_MS = 5000;
/** One hand-out carries at most this. */
const MAX_HANDOUT_BYTES = 32 * 1024 * 1024;

export class Attempts {
  readonly #options: AttemptsOptions;
  /** By container, until it ends. */
  readonly #running = new Map<string, Bag<Input>>();
  #listener: AttemptsListener | undefined;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  listen(listener: AttemptsListener): void {
    this.#listener = listener;
  }

  runningOn(taskId: string): number {
    return this.#running.get(taskId)?.size ?? 0;
  }

  /** Makes an input ready to be taken, now or when its delay is over. */
  enqueue(input: Input): void {
    const { deadlines, clock } = this.#options;
    if (input.state === "queued" && input.notBefore > clock.now()) {
      input.state = "waiting";
      input.deadline = deadlines.add(input.notBefore, () => this.#due(input));
      return;
    }
    const lane = this.#lane(input);
    input.queuedAt = clock.now();
    lane.queue.push(input);
    this.#listener?.ready(lane.functionId);
  }

  /** Takes back inputs whose rows did not reach the disk: nobody was told that they were taken. */
  withdraw(inputs: readonly Input[]): void {
    for (const input of inputs) {
      const { state, taskId } = input;
      const lane = this.#lane(input);
      if (state === "queued") lane.queue.forget();
      else this.#leave(input);
      input.apply("unwritten");
      input.call.drop(input);
      lane.settle(input.bytes);
      this.#forgetPayload(input);
      if (state === "running") this.#listener?.abandoned(taskId, input.id, "cancelled", false);
    }
  }

  /** Hands up to `max` queued inputs to a container. */
  take(functionId: string, taskId: string, max: number): Delivery[] {
    const { lanes, clock, deadlines, functions } = this.#options;
    const lane = lanes.get(functionId);
    const definition = functions.get(functionId)?.definition;
    if (lane.queue.size === 0 || definition === undefined) return [];
    const now = clock.now();
    const timeoutMs = timeoutMsOf(definition);
    const deliveries: Delivery[] = [];
    let bytes = 0;
    while (deliveries.length < max && bytes < MAX_HANDOUT_BYTES) {
      const input = lane.queue.shift();
      if (input === undefined) break;
      input.apply("taken");
      input.delivery++;
      input.taskId = taskId;
      input.startedAt = now;
      input.deadline = deadlines.add(now + timeoutMs + TIMEOUT_GRACE_MS, () => this.#timeout(input));
      lane.running++;
      this.#hold(taskId, input);
      bytes += input.bytes;
      deliveries.push(this.#delivery(input));
    }
    return deliveries;
  }

  /** Takes answers of a container. Resolves when what they decide is durable. */
  async answer(taskId: string, answers: readonly Answer[]): Promise<void> {
    const pending: Pending[] = [];
    for (const answer of answers) {
      const input = this.#find(answer.inputId);
      if (input === undefined || input.taskId !== taskId || input.delivery !== answer.retryCount + 1) this.#late(taskId, answer);
      else if (input.state === "running") this.#end(input, answer, endOf(answer.result), pending);
      else if (input.state !== "recording" && input.state !== "done") this.#late(taskId, answer);
    }
    // A repeated answer finds its input `recording`: it too waits until that is durable.
    await this.#record(pending).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new LydianError("unavailable", `The outputs could not be recorded: ${reason}`, { cause: error });
    });
  }

  /** The container runs nothing any more. */
  async release(taskId: string, end: ContainerEnd): Promise<void> {
    const pending: Pending[] = [];
    const createdAt = this.#options.clock.now() / 1000;
    for (const input of this.#running.get(taskId) ?? []) {
      const attempt: AttemptEnd = end.kind === "oom" ? { kind: "failure", propagationReason: "" } : { kind: end.kind };
      const result: ResultInit =
        end.kind === "oom"
          ? { status: Status.KERNEL_OOM_KILL, exception: end.reason }
          : end.kind === "lost"
            ? lostResult(end.reason, input.losses + 1)
            : lostResult("Its container was stopped after it had yielded values, so it cannot be run again.", 0);
      this.#end(input, { result, format: DataFormat.UNSPECIFIED, startedAt: input.startedAt / 1000, createdAt }, attempt, pending);
    }
    this.#running.delete(taskId);
    await this.#record(pending);
  }

  /** Gives inputs that have none an output that the server decided. Inputs that already have one are left alone. */
  async decide(inputs: Iterable<Input>, result: ResultInit, format = DataFormat.UNSPECIFIED, terminateContainers = false): Promise<void> {
    const pending: Pending[] = [];
    const running: { taskId: string; inputId: string }[] = [];
    const createdAt = this.#options.clock.now() / 1000;
    for (const input of inputs) {
      if (input.state !== "queued" && input.state !== "waiting" && input.state !== "running") continue;
      if (input.state === "running") running.push({ taskId: input.taskId, inputId: input.id });
      this.#prepare(input, { result, format, startedAt: input.startedAt / 1000, createdAt }, pending);
    }
    await this.#record(pending);
    for (const { taskId, inputId } of running) this.#listener?.abandoned(taskId, inputId, "cancelled", terminateContainers);
  }

  /** Everything queued for a function gets this result. */
  async failQueued(functionId: string, result: ResultInit, format: DataFormat): Promise<void> {
    const { queue } = this.#options.lanes.get(functionId);
    const pending: Pending[] = [];
    const createdAt = this.#options.clock.now() / 1000;
    for (let input = queue.shift(); input !== undefined; input = queue.shift()) {
      input.apply("answered");
      pending.push(this.#pending(input, { result, format, startedAt: 0, createdAt }, false));
    }
    await this.#record(pending);
  }

  #timeout(input: Input): void {
    input.deadline = undefined;
    if (input.state !== "running") return;
    const { functions, clock } = this.#options;
    const definition = functions.get(input.call.functionId)?.definition;
    const result = timeoutResult(definition === undefined ? clock.now() - input.startedAt : timeoutMsOf(definition));
    const { taskId } = input;
    const pending: Pending[] = [];
    const times = { startedAt: input.startedAt / 1000, createdAt: clock.now() / 1000 };
    this.#end(input, { result, format: DataFormat.UNSPECIFIED, ...times }, { kind: "failure", propagationReason: "" }, pending);
    this.#record(pending).then(
      () => this.#listener?.abandoned(taskId, input.id, "timeout", false),
      (error: unknown) => this.#options.log(`The timeout of ${input.id} could not be recorded and is tried again: ${String(error)}`),
    );
  }

  /** An attempt is over: either the input has its output, or it goes on. */
  #end(input: Input, answer: Omit<Answer, "inputId" | "retryCount">, end: AttemptEnd | undefined, pending: Pending[]): void {
    const { functions, clock, journal, store, deadlines } = this.#options;
    const definition = functions.get(input.call.functionId)?.definition;
    const { yielded } = input.call;
    const policy = definition === undefined ? undefined : retryPolicyOf(definition);
    const after = end === undefined ? { next: "final" as const } : afterAttempt(end, { ...input, yielded }, policy);
    const lane = this.#lane(input);
    if (end === undefined || end.kind === "failure") lane.took(clock.now() - input.startedAt);
    if (after.next === "final") {
      const { result } = answer;
      const text = result.status === Status.TIMEOUT && definition !== undefined ? timeoutResult(timeoutMsOf(definition)) : result;
      this.#prepare(input, { ...answer, result: text }, pending);
      return;
    }
    this.#leave(input);
    if (after.charged === "failure") input.failures++;
    if (after.charged === "loss") input.losses++;
    input.notBefore = after.delayMs > 0 ? clock.now() + after.delayMs : 0;
    if (after.charged !== "nothing") journal.update(() => store.updateAttempts(input));
    input.apply(after.delayMs > 0 ? "failed" : "released");
    if (after.delayMs > 0) {
      input.deadline = deadlines.add(input.notBefore, () => this.#due(input));
      return;
    }
    input.queuedAt = clock.now();
    lane.queue.pushFirst(input);
    this.#listener?.ready(lane.functionId);
  }

  #due(input: Input): void {
    input.deadline = undefined;
    if (input.state !== "waiting") return;
    input.apply("due");
    this.enqueue(input);
  }

  /** Takes the input out of wherever it is and makes the output that will be recorded. */
  #prepare(input: Input, answer: Omit<Answer, "inputId" | "retryCount">, pending: Pending[]): void {
    const wasRunning = input.state === "running";
    if (input.state === "queued") this.#lane(input).queue.forget();
    else this.#leave(input);
    input.apply("answered");
    pending.push(this.#pending(input, answer, wasRunning));
  }

  #pending(input: Input, answer: Omit<Answer, "inputId" | "retryCount">, wasRunning: boolean): Pending {
    const { result, format, startedAt, createdAt } = answer;
    const { memory, journal, store, clock } = this.#options;
    const status = result.status ?? Status.UNSPECIFIED;
    const bytes = sizeOf(result);
    const kept = memory.admit(bytes) ? result : undefined;
    const { call, idx, taskId } = input;
    const output: Output = { idx, seq: ++call.lastOutputSeq, status, format, taskId, startedAt, createdAt, bytes, result: kept };
    if (call.alone) {
      const at = clock.now();
      call.endWritten = true;
      journal.update(() => store.endAlone(call, output, result, at));
    } else journal.output(call, output, result);
    return { input, output, wasRunning };
  }

  async #record(pending: readonly Pending[]): Promise<void> {
    // The output of a call's last input and the end of the call are one commit.
    for (const { input } of pending) {
      const { call } = input;
      if (call.closed && call.unfinished === 1 && !call.endWritten) this.#writeEnd(call);
    }
    try {
      await this.#options.journal.durable();
    } catch (error) {
      for (const item of pending) {
        item.input.call.endWritten = false;
        this.#revert(item);
      }
      throw error;
    }
    const woken = new Set<Call>();
    for (const { input, output } of pending) {
      this.#publish(input, output);
      woken.add(input.call);
    }
    for (const call of woken) {
      if (call.closed && call.unfinished === 0) this.finish(call);
      this.#options.polls.wake(call);
    }
  }

  /** All inputs of a closed call have their outputs. Idempotent. */
  finish(call: Call): void {
    if (call.finished) return;
    call.finished = true;
    // Several inputs that ended together have not written it.
    if (!call.endWritten) this.#writeEnd(call);
    this.#options.table.retire(call);
    this.#options.onCallEnded(call);
  }

  #writeEnd(call: Call): void {
    const { journal, store, clock } = this.#options;
    const at = clock.now();
    call.endWritten = true;
    journal.update(() => store.finishCall(call, at));
  }

  #publish(input: Input, output: Output): void {
    input.apply("recorded");
    input.call.append(input, output);
    const lane = this.#lane(input);
    lane.settle(input.bytes);
    lane.finished++;
    this.#forgetPayload(input);
  }

  #revert({ input, output, wasRunning }: Pending): void {
    const { clock, deadlines, memory } = this.#options;
    if (output.result !== undefined) memory.release(output.bytes);
    // Its own row was in the same commit.
    if (input.state === "withdrawn") return;
    if (!wasRunning) {
      input.apply("unrecorded");
      input.notBefore = clock.now() + UNRECORDED_DELAY_MS;
      this.enqueue(input);
      return;
    }
    input.apply("unrecorded-running");
    this.#hold(input.taskId, input);
    this.#lane(input).running++;
    input.deadline = deadlines.add(clock.now() + UNRECORDED_DELAY_MS, () => this.#timeout(input));
  }

  /** The input no longer runs, or no longer waits. */
  #leave(input: Input): void {
    this.#options.deadlines.cancel(input.deadline);
    input.deadline = undefined;
    if (input.state !== "running") return;
    this.#lane(input).running--;
    this.#running.get(input.taskId)?.delete(input);
  }

  #hold(taskId: string, input: Input): void {
    let held = this.#running.get(taskId);
    if (held === undefined) {
      held = new Bag();
      this.#running.set(taskId, held);
    }
    held.add(input);
  }

  #delivery(input: Input): Delivery {
    const { call, idx, delivery } = input;
    const base = { inputId: input.id, input: this.#payload(input), functionCallId: call.id, retryCount: delivery - 1 };
    return { ...base, functionCallInvocationType: call.invocation, ...(call.kind === "map" && { functionMapIdx: idx }) };
  }

  #payload(input: Input): FunctionInput {
    const payload = input.payload ?? this.#options.store.payload(input);
    if (payload === undefined) throw new LydianError("data_loss", `The arguments of input ${input.id} are not in the journal.`);
    return payload;
  }

  #forgetPayload(input: Input): void {
    if (input.payload === undefined) return;
    input.payload = undefined;
    this.#options.memory.release(input.bytes);
  }

  #find(id: string): Input | undefined {
    const parsed = parseInputId(id);
    return parsed === undefined ? undefined : this.#options.table.inMemory(parsed.callId)?.input(parsed.idx);
  }

  #lane(input: Input): Lane {
    return this.#options.lanes.get(input.call.functionId);
  }

  #late(taskId: string, { inputId, retryCount }: Answer): void {
    this.#options.log(
      `Ignored the answer of container ${taskId} for attempt ${retryCount} of input ${inputId}: that attempt was given up.`,
    );
  }
}

/** Undefined for success. */
function endOf(result: ResultInit): AttemptEnd | undefined {
  if (result.status === Status.SUCCESS) return undefined;
  if (result.status === Status.TERMINATED) return { kind: "terminated" };
  return { kind: "failure", propagationReason: result.propagationReason ?? "" };
}

function sizeOf({ dataOneof, exception, traceback, serializedTb }: ResultInit): number {
  const data = dataOneof?.case === "data" ? dataOneof.value.byteLength : 0;
  return data + (exception?.length ?? 0) + (traceback?.length ?? 0) + (serializedTb?.byteLength ?? 0);
}
