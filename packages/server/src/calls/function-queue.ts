import { Deque } from "./deque.ts";
import type { LiveCall, LiveInput } from "./live-call.ts";

/** The inputs of one function that wait for a container. Calls take turns, so a large map does not starve a single call. */
export class FunctionQueue {
  readonly #calls = new Deque<LiveCall>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(input: LiveInput): void {
    input.state = "queued";
    input.call.ready.push(input);
    this.#size++;
    if (!input.call.listed) {
      input.call.listed = true;
      this.#calls.push(input.call);
    }
  }

  /** Up to `max` inputs, first come first served within a call. Skips what was cancelled while it waited. */
  take(max: number): LiveInput[] {
    const taken: LiveInput[] = [];
    while (taken.length < max) {
      const call = this.#calls.shift();
      if (!call) break;
      // One alone in the queue need not take turns with itself.
      const share = this.#calls.size === 0 ? max - taken.length : 1;
      for (let i = 0; i < share; ) {
        const input = call.ready.shift();
        if (!input) break;
        if (input.state !== "queued") continue;
        this.#size--;
        taken.push(input);
        i++;
      }
      if (call.ready.size > 0) this.#calls.push(call);
      else call.listed = false;
    }
    return taken;
  }

  /** Takes an input out that will not run. Its place in the list is skipped later. */
  withdraw(input: LiveInput): void {
    if (input.state === "queued") this.#size--;
  }
}
