// One container of a pool: what runs in it, what it waits for, and how it ends.
import type { Container, Exit } from "@lydian/containers";
import type { FunctionGetInputsItem, GenericResult } from "@lydian/protocol";
import type { FunctionRecord } from "../functions/functions.ts";
import { Wakeup } from "../calls/wakeup.ts";
import type { LiveInput } from "../calls/live-call.ts";
import { type ContainerEvent, type ContainerState, nextState } from "./container-state.ts";

export type Stage = "queue" | "create" | "boot" | "import";
const LAST_LINES = 20;

/** A fetch that the container holds open. */
export interface ParkedFetch {
  readonly max: number;
  answer(items: FunctionGetInputsItem[]): void;
}

export class PoolContainer {
  readonly taskId: string;
  readonly imageId: string;
  readonly dir: string;
  readonly createdAt: number;
  /** Undefined while it is a standby one. */
  record: FunctionRecord | undefined;
  container: Container | undefined;
  state: ContainerState = "creating";
  readonly stageMs: Partial<Record<Stage, number>> = {};
  readonly lastLines: string[] = [];
  /** By input id. An input stays here until the container has answered, also when nobody waits for it any more. */
  readonly running = new Map<string, LiveInput>();
  parked: ParkedFetch | undefined;
  /** Since when nothing runs in it; for ready containers. */
  idleSince = 0;
  /** What it reported of a failed start. */
  startFailure: GenericResult | undefined;
  /** Inputs whose cancellation it has not heard of. */
  readonly cancelled = new Set<string>();
  readonly cancellations = new Wakeup();
  /** Its function was given to it, or it is told to leave. */
  readonly given = new Wakeup();
  lastHeartbeatAt: number;
  /** Inputs it has taken over its life. */
  taken = 0;
  stopReason: string | undefined;
  exit: Exit | undefined;
  readonly ended: Promise<void>;
  readonly #markEnded: () => void;
  #stageStartedAt: number;

  constructor(options: { taskId: string; imageId: string; dir: string; record?: FunctionRecord; now: number; queuedSince?: number }) {
    this.taskId = options.taskId;
    this.imageId = options.imageId;
    this.dir = options.dir;
    this.record = options.record;
    this.createdAt = options.now;
    this.lastHeartbeatAt = options.now;
    this.#stageStartedAt = options.now;
    if (options.queuedSince !== undefined) this.stageMs.queue = options.now - options.queuedSince;
    let mark = () => {};
    this.ended = new Promise((resolve) => {
      mark = resolve;
    });
    this.#markEnded = mark;
  }

  on(event: ContainerEvent): void {
    const before = this.state;
    this.state = nextState(this.state, event);
    if (this.state === "ended" && before !== "ended") this.#markEnded();
  }

  get isStarting(): boolean {
    return this.state === "creating" || this.state === "booting" || this.state === "importing";
  }

  /** The stage is over now. */
  stage(name: Stage, now: number): void {
    this.stageMs[name] ??= now - this.#stageStartedAt;
    this.#stageStartedAt = now;
  }

  /** A standby one begins to count when it is given a function. */
  restartStages(now: number): void {
    for (const name of Object.keys(this.stageMs) as Stage[]) delete this.stageMs[name];
    this.#stageStartedAt = now;
  }

  remember(line: string): void {
    this.lastLines.push(line);
    if (this.lastLines.length > LAST_LINES) this.lastLines.shift();
  }
}
