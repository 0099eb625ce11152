// The calls in memory. Unfinished ones all are; of the finished ones the latest, and the others are read from the journal when
// somebody asks.
import type { FunctionCallInvocationType } from "@lydian/protocol";
import { isId } from "../ids.ts";
import { Call, Input } from "./call.ts";
import type { PayloadMemory } from "./payload-memory.ts";
import { type CallRow, type CallStore, KIND_NUMBERS } from "./store.ts";

export interface CallTableOptions {
  readonly store: CallStore;
  readonly memory: PayloadMemory;
  /** Inputs of finished calls kept in memory, all together. */
  readonly maxFinishedInputs: number;
}

/** However large they are: their clients still read them. */
const MIN_FINISHED = 8;

export class CallTable {
  readonly #store: CallStore;
  readonly #memory: PayloadMemory;
  readonly #maxFinishedInputs: number;
  readonly #calls = new Map<string, Call>();
  /** Oldest first, from `#finishedHead`: taking from the front of a Set would cost more with every one taken. */
  #finished: Call[] = [];
  #finishedHead = 0;
  #finishedInputs = 0;

  constructor(options: CallTableOptions) {
    this.#store = options.store;
    this.#memory = options.memory;
    this.#maxFinishedInputs = options.maxFinishedInputs;
  }

  get(id: string): Call | undefined {
    const known = this.#calls.get(id);
    if (known !== undefined || !isId("fc", id)) return known;
    const row = this.#store.call(id);
    return row === undefined ? undefined : this.load(row);
  }

  /** Without a look into the journal. */
  inMemory(id: string): Call | undefined {
    return this.#calls.get(id);
  }

  add(call: Call): void {
    this.#calls.set(call.id, call);
  }

  /** Takes back a call whose row could not be written. */
  drop(call: Call): void {
    this.#calls.delete(call.id);
  }

  *unfinished(): Iterable<Call> {
    for (const call of this.#calls.values()) if (!call.finished) yield call;
  }

  /** The call is finished: it may be forgotten when others need the room. */
  retire(call: Call): void {
    this.#finished.push(call);
    this.#finishedInputs += call.size;
    while (this.#finishedInputs > this.#maxFinishedInputs && this.#finished.length - this.#finishedHead > MIN_FINISHED) {
      const oldest = this.#finished[this.#finishedHead++];
      if (oldest === undefined) continue;
      this.#finishedInputs -= oldest.size;
      this.#evict(oldest);
    }
    if (this.#finishedHead * 2 < this.#finished.length) return;
    this.#finished = this.#finished.slice(this.#finishedHead);
    this.#finishedHead = 0;
  }

  /** The journal no longer has them. */
  forget(ids: readonly string[]): void {
    for (const id of ids) {
      const call = this.#calls.get(id);
      if (call !== undefined) this.#evict(call);
    }
  }

  /** Brings a call from the journal into memory. Inputs without output are `queued`, in no queue yet. */
  load(row: CallRow): Call {
    const known = this.#calls.get(row.id);
    if (known !== undefined) return known;
    const call = new Call({
      seq: row.seq,
      id: row.id,
      functionId: row.function_id,
      kind: row.kind === KIND_NUMBERS.map ? "map" : "unary",
      invocation: row.invocation as FunctionCallInvocationType,
      parentInputId: row.parent_input_id ?? "",
      createdAt: row.created_at,
    });
    call.alone = row.alone === 1;
    call.closed = row.closed === 1;
    call.cancelReason = row.cancel_reason ?? undefined;
    call.finished = row.finished_at !== null;
    for (const stored of this.#store.inputs(call)) {
      const input = new Input(call, stored.idx, stored.bytes);
      input.failures = stored.failures;
      input.losses = stored.losses;
      // Numbers of attempts go on where they were: a retry must look new to whoever sees it.
      input.delivery = stored.failures + stored.losses;
      input.notBefore = stored.not_before;
      call.add(input);
    }
    for (const stored of this.#store.outputs(call)) {
      const input = call.input(stored.idx);
      if (input === undefined) continue;
      input.state = "done";
      const { seq, idx, status, format, bytes } = stored;
      const times = { taskId: stored.task_id, startedAt: stored.started_at, createdAt: stored.ended_at };
      call.append(input, { seq, idx, status, format, bytes, ...times, result: undefined });
    }
    this.#calls.set(call.id, call);
    if (call.finished) this.retire(call);
    return call;
  }

  #evict(call: Call): void {
    // It may have been forgotten already, and read again since.
    if (this.#calls.get(call.id) !== call) return;
    this.#calls.delete(call.id);
    // A poll may still hold the object: what it does not find here it reads from the journal.
    for (const output of call.outputs) {
      if (output.result === undefined) continue;
      this.#memory.release(output.bytes);
      output.result = undefined;
    }
  }
}
