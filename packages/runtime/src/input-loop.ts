// Takes inputs while there are free slots. At most one fetch is under way; the server holds it until there is work.
import type { FunctionGetInputsItem } from "@lydian/protocol";
import type { ControlPlane } from "./control-plane.ts";

export interface InputLoopOptions {
  readonly client: ControlPlane;
  /** Inputs, or batches, that may run at once. */
  readonly slots: number;
  /** Stop after this many inputs; 0 is no bound. */
  readonly maxInputs: number;
  /** Aborted when the container stops: no input is taken any more. */
  readonly signal: AbortSignal;
  /** Runs one input; resolves when its slot is free again. Never rejects. */
  readonly run: (item: FunctionGetInputsItem) => Promise<void>;
  /** When inputs are worked on together. */
  readonly batch?: BatchFetch | undefined;
}

export interface BatchFetch {
  readonly maxSize: number;
  /** How long the server lets the first input wait for others. */
  readonly lingerMs: number;
  /** As `run`. */
  readonly run: (items: readonly FunctionGetInputsItem[]) => Promise<void>;
}

/** The server holds a fetch for tens of seconds; an empty answer that comes at once must not become a busy loop. */
const MIN_EMPTY_POLL_MS = 250;

/**
 * Resolves when no more inputs will come and those that were taken have ended: after a kill switch, a final input, the bound, or the
 * signal. Rejects when the server could not be reached within the connection's bound.
 */
export async function runInputLoop(options: InputLoopOptions): Promise<void> {
  const { batch } = options;
  const running = new Running();
  let taken = 0;
  let last = false;
  while (!last && !options.signal.aborted) {
    // What ends in one turn is replaced by one fetch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const left = options.maxInputs > 0 ? options.maxInputs - taken : Number.POSITIVE_INFINITY;
    const free = Math.min(options.slots - running.count, left);
    if (free <= 0) {
      if (options.maxInputs > 0 && taken >= options.maxInputs) break;
      await raceAbort(running.nextEnd(), options.signal);
      continue;
    }
    const askedAt = Date.now();
    const inputs = await fetchInputs(options, batch ? Math.min(batch.maxSize, left) : free);
    if (!inputs) break;
    const together: FunctionGetInputsItem[] = [];
    for (const item of inputs) {
      if (item.killSwitch) {
        last = true;
        continue;
      }
      if (item.input?.finalInput) last = true;
      taken++;
      if (batch) together.push(item);
      else running.add(options.run(item));
    }
    if (batch && together.length > 0) running.add(batch.run(together));
    const pauseMs = MIN_EMPTY_POLL_MS - (Date.now() - askedAt);
    if (inputs.length === 0 && pauseMs > 0) await pause(pauseMs, options.signal);
  }
  while (running.count > 0) await running.nextEnd();
}

/** How many run, and when the next of them ends. A number instead of a set: some ten thousand a second come and go. */
class Running {
  count = 0;
  #wake: () => void = () => {};
  readonly #ended = () => {
    this.count--;
    this.#wake();
  };

  add(input: Promise<void>): void {
    this.count++;
    void input.then(this.#ended);
  }

  nextEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

async function fetchInputs({ client, batch, signal }: InputLoopOptions, max: number) {
  try {
    return await client.getInputs({ max, batchLingerMs: batch?.lingerMs }, { signal });
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

async function raceAbort(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let onAbort = () => {};
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
    signal.addEventListener("abort", onAbort, { once: true });
  });
  await Promise.race([promise, aborted]);
  signal.removeEventListener("abort", onAbort);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return raceAbort(new Promise((resolve) => setTimeout(resolve, ms)), signal);
}
