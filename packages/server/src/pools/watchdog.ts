// What a container may not exceed, besides its inputs' own timeouts: the time to start, silence, and the patience with code whose
// input was given up.
import type { Calls } from "../calls/calls.ts";
import { type CalledFunction, slotsOf } from "../calls/functions-port.ts";
import type { PoolContainer } from "./container.ts";
import { startupMsOf } from "./plan.ts";
import type { Pool } from "./pool.ts";

export interface WatchdogOptions {
  readonly calls: Calls;
  readonly poolOf: (container: PoolContainer) => Pool | undefined;
  /** Tells it to stop for a reason; its inputs run again elsewhere. */
  readonly stop: (container: PoolContainer, reason: string, graceMs?: number) => void;
  /** Ends it without saying that it was told to: its end counts as a failed start. */
  readonly end: (container: PoolContainer) => void;
}

/** Code that goes on after its input was cancelled or timed out ends with its container after this: sooner where nothing else runs there. */
const ABANDONED_PATIENCE_MS = 5_000;
const ABANDONED_ALONE_PATIENCE_MS = 1_000;
/** It has been given its chance. */
const HARD_STOP_GRACE_MS = 500;
/** Silence of a container is death after this, or after its timeout if that is longer: code may keep the process busy that long. */
const MAX_SILENCE_MS = 5 * 60 * 1000;

export class Watchdog {
  readonly #options: WatchdogOptions;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** The start-up timeout of its function begins. */
  limitStart(container: PoolContainer, fn: CalledFunction): void {
    const ms = startupMsOf(fn.definition);
    const { clock, deadlines } = this.#options.calls;
    container.deadline = deadlines.add(clock.now() + ms, () =>
      this.failStart(container, `it was not ready within the start-up timeout of ${ms / 1000} s of its function`),
    );
  }

  /** Ends a container that was not ready in a way that counts as a failed start. */
  failStart(container: PoolContainer, why: string): void {
    if (container.state === "ready" || !container.live) return;
    container.startFailure ??= { exception: why };
    this.#options.end(container);
  }

  /** From now on it must be heard of, instead of becoming ready. */
  listen(container: PoolContainer, fn: CalledFunction): void {
    const { clock, deadlines } = this.#options.calls;
    deadlines.cancel(container.deadline);
    const limitMs = Math.max(MAX_SILENCE_MS, fn.definition.timeoutSecs * 1000 + 60_000);
    const look = () => {
      if (container.state !== "ready") return;
      const silentMs = clock.now() - container.heardAt;
      if (silentMs < limitMs) container.deadline = deadlines.add(container.heardAt + limitMs, look);
      else this.#options.stop(container, `nothing was heard of it for ${Math.round(silentMs / 1000)} s`);
    };
    container.deadline = deadlines.add(clock.now() + limitMs, look);
  }

  /** It is to give up an input whose output is decided. */
  abandon(container: PoolContainer, fn: CalledFunction, inputId: string, why: "timeout" | "cancelled"): void {
    const { calls, stop, poolOf } = this.#options;
    const alone = slotsOf(fn.definition).max === 1;
    const patienceMs = alone ? ABANDONED_ALONE_PATIENCE_MS : ABANDONED_PATIENCE_MS;
    const what = why === "timeout" ? "ran into its timeout" : "was cancelled";
    const reason = `the code of an input went on for ${patienceMs / 1000} s after it ${what}`;
    const patience = calls.deadlines.add(calls.clock.now() + patienceMs, () =>
      stop(container, reason, alone ? HARD_STOP_GRACE_MS : undefined),
    );
    container.abandoned.set(inputId, patience);
    container.cancels.push(inputId);
    container.beat?.();
    if (alone) poolOf(container)?.stuck(container, true);
    else poolOf(container)?.freed(container);
  }

  /** The container has answered for an input, or asks for more: what it was told to give up, it has. */
  gaveUp(container: PoolContainer, inputIds: Iterable<string>): void {
    for (const inputId of inputIds) {
      this.#options.calls.deadlines.cancel(container.abandoned.get(inputId));
      container.abandoned.delete(inputId);
    }
    if (container.abandoned.size === 0) this.#options.poolOf(container)?.stuck(container, false);
  }
}
