// Clients wait here for outputs. A poll is woken by the output itself; polls of a busy map are held back until there are many outputs,
// and some milliseconds at most, because an answer costs both sides more than the outputs in it.
import { Bag } from "@lydian/protocol";
import type { Call, Output, OutputWaiter } from "./call.ts";
import type { Clock, Deadlines } from "./deadlines.ts";
import { fullyKept } from "./kept-result.ts";
import type { CallStore } from "./store.ts";

export interface OutputsRequest {
  /** Outputs that the client has. Ignored with a range. */
  readonly after: number;
  /** Indices, inclusive. */
  readonly range: { readonly from: number; readonly to: number } | undefined;
  readonly maxCount: number;
  readonly timeoutMs: number;
}

export interface OutputsPage {
  /** With their results. */
  readonly outputs: readonly Output[];
  /** Outputs that the client has afterwards. */
  readonly after: number;
  readonly unfinished: number;
}

/** An answer is cut at this size, and the client asks for the rest. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024;
/** A range up to this long is looked up index by index. */
const SHORT_RANGE = 1000;
const MAX_HELD_BACK_MS = 50;
/** A client whose map is faster than that needs the answers to send more inputs. */
const MAX_HELD_BACK_OUTPUTS = 250;

export class OutputPolls {
  readonly #store: CallStore;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #waiting = new Bag<OutputWaiter>();
  #draining = false;

  constructor(options: { store: CallStore; clock: Clock; deadlines: Deadlines }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#deadlines = options.deadlines;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /** Answers when there is an output, when there will be none, or after the timeout with nothing. */
  async next(call: Call, request: OutputsRequest): Promise<OutputsPage> {
    const until = this.#clock.now() + request.timeoutMs;
    for (;;) {
      const page = this.#select(call, request);
      const over = call.closed && call.unfinished === 0;
      if (page.outputs.length > 0) {
        call.answeredAt = this.#clock.now();
        call.answeredOutputs = call.outputs.length;
      }
      if (page.outputs.length > 0 || over || this.#draining || this.#clock.now() >= until) return page;
      await this.#wait(call, until);
    }
  }

  /** There is news of the call. */
  wake(call: Call): void {
    if (call.waiters === undefined || call.waiters.length === 0) return;
    const dueAt = call.answeredAt + MAX_HELD_BACK_MS;
    const isHeldBack = call.kind === "map" && call.unfinished > 0 && call.outputs.length - call.answeredOutputs < MAX_HELD_BACK_OUTPUTS;
    if (isHeldBack && this.#clock.now() < dueAt) call.answerDue ??= this.#deadlines.add(dueAt, () => this.#answer(call));
    else this.#answer(call);
  }

  #answer(call: Call): void {
    this.#deadlines.cancel(call.answerDue);
    call.answerDue = undefined;
    wakeAll(call.waiters ?? []);
  }

  /** Answers every poll now, and those to come at once. */
  drain(): void {
    this.#draining = true;
    wakeAll(this.#waiting);
  }

  #wait(call: Call, until: number): Promise<void> {
    return new Promise((resolve) => {
      call.waiters ??= [];
      const { waiters } = call;
      const waiter: OutputWaiter = {
        place: -1,
        wake: () => {
          const at = waiters.indexOf(waiter);
          if (at >= 0) waiters.splice(at, 1);
          this.#waiting.delete(waiter);
          this.#deadlines.cancel(deadline);
          resolve();
        },
      };
      const deadline = this.#deadlines.add(until, waiter.wake);
      waiters.push(waiter);
      this.#waiting.add(waiter);
    });
  }

  #select(call: Call, request: OutputsRequest): OutputsPage {
    const { range } = request;
    const after = Math.min(request.after, call.outputs.length);
    const found: Output[] = [];
    let bytes = 0;
    let seen = range === undefined ? after : 0;
    for (const output of range === undefined ? rest(call, after) : within(call, range.from, range.to)) {
      if (found.length >= request.maxCount || (bytes > 0 && bytes + output.bytes > MAX_PAGE_BYTES)) break;
      bytes += output.bytes;
      seen++;
      found.push(fullyKept(call, output, this.#store));
    }
    return { outputs: found, after: range === undefined ? seen : call.outputs.length, unfinished: call.unfinished };
  }
}

function* rest(call: Call, after: number): Iterable<Output> {
  for (let at = after; at < call.outputs.length; at++) {
    const output = call.outputs[at];
    if (output !== undefined) yield output;
  }
}

function* within(call: Call, from: number, to: number): Iterable<Output> {
  if (to - from < SHORT_RANGE) {
    for (let idx = from; idx <= to; idx++) {
      const output = call.input(idx)?.output;
      if (output !== undefined) yield output;
    }
    return;
  }
  for (const output of call.outputs) if (output.idx >= from && output.idx <= to) yield output;
}

function wakeAll(waiters: Iterable<OutputWaiter>): void {
  for (const waiter of [...waiters]) waiter.wake();
}
