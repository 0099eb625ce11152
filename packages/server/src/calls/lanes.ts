// What is queued, running and done of each function. Pools plan with these numbers; nothing here is found by counting.
import { ReadyQueue } from "./ready-queue.ts";

export class Lane {
  readonly functionId: string;
  readonly queue = new ReadyQueue();
  /** In containers. */
  running = 0;
  /** Without output: written, queued, running or waiting for a retry. */
  outstanding = 0;
  outstandingBytes = 0;
  /** Outputs since the server started. */
  finished = 0;
  /** How long inputs take lately; undefined before the first has ended. */
  meanMs: number | undefined;

  constructor(functionId: string) {
    this.functionId = functionId;
  }

  /** An input of this size has come: it is without output. */
  admit(bytes: number): void {
    this.outstanding++;
    this.outstandingBytes += bytes;
  }

  /** It has its output, or is taken back. */
  settle(bytes: number): void {
    this.outstanding--;
    this.outstandingBytes -= bytes;
  }

  /** A moving average over about the last twenty. */
  took(ms: number): void {
    this.meanMs = this.meanMs === undefined ? ms : this.meanMs + (ms - this.meanMs) / 20;
  }
}

export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  get(functionId: string): Lane {
    let lane = this.#lanes.get(functionId);
    if (lane === undefined) {
      lane = new Lane(functionId);
      this.#lanes.set(functionId, lane);
    }
    return lane;
  }

  all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** The function will have no more calls. */
  drop(functionId: string): void {
    if (this.#lanes.get(functionId)?.outstanding === 0) this.#lanes.delete(functionId);
  }
}
