// What a run looks like at a moment: built from its events alone, so that every display shows the same and a test can
// play a run with a clock of its own.
import type { ContainerStarted, PoolState } from "@lydian/protocol";
import type { RunEvent } from "../../run/start-app.ts";

export interface ImageProgress {
  readonly imageId: string;
  readonly startedAt: number;
  /** Last line of its build log. */
  readonly lastLine: string;
  readonly ready: boolean;
}

export interface FunctionProgress {
  readonly functionId: string;
  readonly name: string;
  readonly waiting: number;
  readonly running: number;
  readonly finished: number;
  readonly starting: number;
  readonly ready: number;
  readonly waitingReason: string;
  /** Finished inputs a second over the last few seconds. */
  readonly ratePerSecond: number;
}

/** Samples of `finished` from which the rate comes. */
interface Sample {
  readonly at: number;
  readonly finished: number;
}

const RATE_WINDOW_MS = 5000;

export class Progress {
  #images = new Map<string, ImageProgress>();
  #pools = new Map<string, PoolState>();
  #samples = new Map<string, Sample[]>();
  #appId: string | undefined;
  #published = false;

  get appId(): string | undefined {
    return this.#appId;
  }

  get published(): boolean {
    return this.#published;
  }

  /** Takes one event that happened at `now` (milliseconds of any clock that does not go back). */
  apply(event: RunEvent, now: number): void {
    switch (event.type) {
      case "app-created":
        this.#appId = event.appId;
        return;
      case "published":
        this.#published = true;
        return;
      case "image-log": {
        const before = this.#images.get(event.imageId);
        const lastLine = event.text.trimEnd().split("\n").at(-1)?.trim() || (before?.lastLine ?? "");
        this.#images.set(event.imageId, { imageId: event.imageId, startedAt: before?.startedAt ?? now, lastLine, ready: false });
        return;
      }
      case "image-ready": {
        const before = this.#images.get(event.imageId);
        if (before) this.#images.set(event.imageId, { ...before, ready: true });
        return;
      }
      case "pools":
        for (const pool of event.pools) this.#applyPool(pool, now);
        return;
      default:
    }
  }

  #applyPool(pool: PoolState, now: number): void {
    this.#pools.set(pool.functionId, pool);
    const samples = this.#samples.get(pool.functionId) ?? [];
    samples.push({ at: now, finished: Number(pool.finishedInputs) });
    // One sample older than the window stays: the rate is over the whole window.
    while ((samples[1]?.at ?? Number.POSITIVE_INFINITY) <= now - RATE_WINDOW_MS) samples.shift();
    this.#samples.set(pool.functionId, samples);
  }

  /** Images that are being made. */
  building(): readonly ImageProgress[] {
    return [...this.#images.values()].filter((image) => !image.ready);
  }

  functions(now: number): readonly FunctionProgress[] {
    return [...this.#pools.values()].map((pool) => ({
      functionId: pool.functionId,
      name: pool.functionName || pool.functionId,
      waiting: pool.backlog,
      running: pool.runningInputs,
      finished: Number(pool.finishedInputs),
      starting: pool.startingContainers,
      ready: pool.readyContainers,
      waitingReason: pool.waitingReason,
      ratePerSecond: rate(this.#samples.get(pool.functionId) ?? [], now),
    }));
  }

  functionName(functionId: string): string {
    return this.#pools.get(functionId)?.functionName || functionId;
  }
}

/** The server only tells changes: between two samples the count is that of the earlier one. */
function rate(samples: readonly Sample[], now: number): number {
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last) return 0;
  const elapsedMs = Math.min(RATE_WINDOW_MS, now - first.at);
  const before = samples.findLast((sample) => sample.at <= now - elapsedMs) ?? first;
  return elapsedMs < 200 ? 0 : ((last.finished - before.finished) * 1000) / elapsedMs;
}

/** "queue 1 ms, create 30 ms, boot 80 ms" in the order in which they happen. */
export function describeStages(started: ContainerStarted): string {
  const order = ["queue", "image", "create", "boot", "import"];
  const stages = Object.entries(started.stageMs).sort(([a], [b]) => (order.indexOf(a) + 1 || 99) - (order.indexOf(b) + 1 || 99));
  return stages.map(([stage, ms]) => `${stage} ${Math.round(ms)}`).join(", ");
}

export function totalMs(started: ContainerStarted): number {
  return Object.values(started.stageMs).reduce((sum, ms) => sum + ms, 0);
}
