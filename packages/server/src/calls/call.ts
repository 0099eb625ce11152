// A call, its inputs and its outputs, as they are in memory. The journal has the same and survives.
import {
  type Bagged,
  type DataFormat,
  type FunctionCallInvocationType,
  type FunctionInput,
  type GenericResultSchema,
  inputId,
  LydianError,
  type MessageInitShape,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import type { Deadline } from "./deadlines.ts";
import { type InputEvent, type InputState, nextInputState } from "./input-state.ts";

export type ResultInit = MessageInitShape<typeof GenericResultSchema>;

export type CallKind = "unary" | "map";

export class Input implements Bagged {
  readonly call: Call;
  readonly idx: number;
  /** Size of the arguments. */
  readonly bytes: number;
  /** Absent when it is only in the journal. */
  payload: FunctionInput | undefined;
  state: InputState = "queued";
  /** Among those that its container runs. */
  place = -1;
  /** Fences attempts: goes out with each hand-out and must come back with the answer. */
  delivery = 0;
  failures = 0;
  losses = 0;
  notBefore = 0;
  /** The container that runs it, or whose answer is being recorded; empty otherwise. */
  taskId = "";
  /** When it was last handed out. */
  startedAt = 0;
  queuedAt = 0;
  /** Its timeout while running, the end of its delay while waiting. */
  deadline: Deadline | undefined;
  /** Its visible output. */
  output: Output | undefined;

  constructor(call: Call, idx: number, bytes: number) {
    this.call = call;
    this.idx = idx;
    this.bytes = bytes;
  }

  get id(): string {
    return inputId(this.call.id, this.idx);
  }

  apply(event: InputEvent): void {
    const next = nextInputState(this.state, event);
    if (next === undefined) throw new LydianError("internal", `Input ${this.id} cannot be ${event} while it is ${this.state}.`);
    this.state = next;
  }
}

/** What one input came to. */
export interface Output {
  readonly idx: number;
  /** Grows within a call. */
  readonly seq: number;
  readonly status: Status;
  readonly format: DataFormat;
  readonly taskId: string;
  /** Seconds since the epoch, as on the wire. */
  readonly startedAt: number;
  readonly createdAt: number;
  /** Size of what the memory budget counts. */
  readonly bytes: number;
  /** Absent when it is only in the journal. */
  result: ResultInit | undefined;
}

/** A poll for outputs that waits. */
export interface OutputWaiter extends Bagged {
  wake(): void;
}

export interface CallOptions {
  readonly seq: number;
  readonly id: string;
  readonly functionId: string;
  readonly kind: CallKind;
  readonly invocation: FunctionCallInvocationType;
  readonly parentInputId: string;
  readonly createdAt: number;
}

export interface OutcomeCounts {
  succeeded: number;
  failed: number;
  timedOut: number;
  cancelled: number;
}

export class Call {
  readonly seq: number;
  readonly id: string;
  readonly functionId: string;
  readonly kind: CallKind;
  readonly invocation: FunctionCallInvocationType;
  readonly parentInputId: string;
  readonly createdAt: number;
  /** It has one input, of index 0, which came with it: both are one row of the journal. */
  alone = false;
  /** No input may be added any more. */
  closed = false;
  cancelReason: string | undefined;
  /** Every input has its output, none will be added, and the journal says so. */
  finished = false;
  /** The end of the call is in the journal, or on its way there. */
  endWritten = false;
  /** Only grows. A client's cursor is a place in it. */
  readonly outputs: Output[] = [];
  /** Of the outputs made so far, visible or not. */
  lastOutputSeq = 0;
  /** Inputs without a visible output. */
  unfinished = 0;
  readonly counts: OutcomeCounts = { succeeded: 0, failed: 0, timedOut: 0, cancelled: 0 };
  /** Queued inputs in order; the ready queue owns it. */
  readonly ready: Input[] = [];
  readyHead = 0;
  /** A yielded value has been accepted. */
  yielded = false;
  /** Polls for outputs that wait. */
  waiters: OutputWaiter[] | undefined;
  /** When a poll was last answered with outputs, and how many outputs there were. */
  answeredAt = 0;
  answeredOutputs = 0;
  /** When polls that are held back are answered. */
  answerDue: Deadline | undefined;
  // Most calls have one input: the map is for the others.
  #first: Input | undefined;
  #byIdx: Map<number, Input> | undefined;

  constructor(options: CallOptions) {
    this.seq = options.seq;
    this.id = options.id;
    this.functionId = options.functionId;
    this.kind = options.kind;
    this.invocation = options.invocation;
    this.parentInputId = options.parentInputId;
    this.createdAt = options.createdAt;
  }

  get size(): number {
    return this.#byIdx?.size ?? (this.#first === undefined ? 0 : 1);
  }

  input(idx: number): Input | undefined {
    if (this.#byIdx !== undefined) return this.#byIdx.get(idx);
    return this.#first?.idx === idx ? this.#first : undefined;
  }

  *inputs(): Iterable<Input> {
    if (this.#byIdx !== undefined) yield* this.#byIdx.values();
    else if (this.#first !== undefined) yield this.#first;
  }

  add(input: Input): void {
    this.unfinished++;
    if (this.#byIdx === undefined && this.#first === undefined) {
      this.#first = input;
      return;
    }
    if (this.#byIdx === undefined) {
      this.#byIdx = new Map();
      if (this.#first !== undefined) this.#byIdx.set(this.#first.idx, this.#first);
    }
    this.#byIdx.set(input.idx, input);
  }

  /** Takes back an input whose row could not be written. */
  drop(input: Input): void {
    this.unfinished--;
    if (this.#byIdx !== undefined) this.#byIdx.delete(input.idx);
    else this.#first = undefined;
  }

  /** Makes an output visible. Its input no longer counts as unfinished. */
  append(input: Input, output: Output): void {
    input.output = output;
    this.outputs.push(output);
    this.lastOutputSeq = Math.max(this.lastOutputSeq, output.seq);
    this.unfinished--;
    countOutcome(this.counts, output.status);
  }
}

function countOutcome(counts: OutcomeCounts, status: Status): void {
  if (status === Status.SUCCESS) counts.succeeded++;
  else if (status === Status.TIMEOUT) counts.timedOut++;
  else if (status === Status.TERMINATED) counts.cancelled++;
  else counts.failed++;
}
