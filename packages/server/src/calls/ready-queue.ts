// The inputs of one function that a container may take. Calls take turns, one input each, so that a call of one input does
// not wait behind a map of a million; within a call the order is the client's. What a lost container gave back goes first.
import type { Call, Input } from "./call.ts";

/** Taken entries are cut off once there are this many of them and they are half of the array. */
const COMPACT_AT = 1024;

export class ReadyQueue {
  #urgent: Input[] = [];
  #turns: Call[] = [];
  #turnsHead = 0;
  #size = 0;

  /** Inputs in state `queued`. */
  get size(): number {
    return this.#size;
  }

  push(input: Input): void {
    const { call } = input;
    if (call.ready.length === call.readyHead) this.#turns.push(call);
    call.ready.push(input);
    this.#size++;
  }

  pushFirst(input: Input): void {
    this.#urgent.push(input);
    this.#size++;
  }

  /** A queued input has become something else without being taken; its place is passed over later. */
  forget(): void {
    this.#size--;
    if (this.#size === 0) this.#clear();
  }

  /** The next input, still in state `queued`: the caller must take it. */
  shift(): Input | undefined {
    if (this.#size === 0) return undefined;
    for (let input = this.#next(); input !== undefined; input = this.#next()) {
      if (input.state !== "queued") continue;
      this.#size--;
      return input;
    }
    return undefined;
  }

  /** When the oldest at the head was queued; undefined when empty. */
  oldestQueuedAt(): number | undefined {
    if (this.#size === 0) return undefined;
    const [urgent] = this.#urgent;
    const call = this.#turns[this.#turnsHead];
    return urgent?.queuedAt ?? call?.ready[call.readyHead]?.queuedAt;
  }

  #next(): Input | undefined {
    const urgent = this.#urgent.shift();
    if (urgent !== undefined) return urgent;
    const call = this.#turns[this.#turnsHead];
    if (call === undefined) return undefined;
    this.#turnsHead++;
    const input = call.ready[call.readyHead++];
    if (call.readyHead < call.ready.length) this.#turns.push(call);
    if (call.readyHead === call.ready.length || (call.readyHead >= COMPACT_AT && call.readyHead * 2 >= call.ready.length)) {
      call.ready.splice(0, call.readyHead);
      call.readyHead = 0;
    }
    if (this.#turnsHead >= COMPACT_AT && this.#turnsHead * 2 >= this.#turns.length) {
      this.#turns = this.#turns.slice(this.#turnsHead);
      this.#turnsHead = 0;
    }
    return input;
  }

  #clear(): void {
    this.#urgent = [];
    for (const call of this.#turns) {
      call.ready.length = 0;
      call.readyHead = 0;
    }
    this.#turns = [];
    this.#turnsHead = 0;
  }
}
