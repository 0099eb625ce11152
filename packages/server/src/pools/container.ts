// One container as a pool sees it: where it is in its life, what it waits for, and what it was told.
import type { Container, Exit } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Delivery } from "../calls/attempts.ts";
import type { ResultInit } from "../calls/call.ts";
import type { Deadline } from "../calls/deadlines.ts";
import type { CalledFunction } from "../calls/functions-port.ts";
import { type ContainerEvent, type ContainerState, nextContainerState } from "./container-state.ts";
import type { StandbyKind } from "./runtimes/runtime-kind.ts";

/** A FunctionGetInputs that waits for work. */
export interface ParkedFetch {
  readonly max: number;
  readonly answer: (items: readonly Delivery[]) => void;
}

/** How it ended. */
export interface EndReport {
  /** Absent when it was never started. */
  readonly exit: Exit | undefined;
  readonly startError: string | undefined;
  /** Its last lines. */
  readonly tail: string;
  /** Of its image. */
  readonly entrypoint?: readonly string[] | undefined;
}

export class PoolContainer {
  readonly taskId: string;
  readonly createdAt: number;
  state: ContainerState = "creating";
  /** Undefined while it waits for one. */
  fn: CalledFunction | undefined;
  /** Once it is started. */
  running: Container | undefined;
  /** What it can become while it has no function; undefined when it was made for one. */
  readonly standby: StandbyKind | undefined;
  /** What it sees as /run/lydian. */
  runDir = "";
  /** What its first process was started with. */
  env: Readonly<Record<string, string>> = {};
  workdir = "/";
  /** Processes of clients that run in it: meanwhile it is not idle. */
  uses = 0;
  /** The directory for the files of its function, and where in their mounts those lie that go into it. */
  filesDir = "";
  filesPrefix = "/";
  /** Milliseconds of each stage of its start. */
  readonly stages: Record<string, number> = {};
  startedAt = 0;
  stageAt: number;
  fetch: ParkedFetch | undefined;
  /** What the last fetch was answered, should the answer have been lost. */
  lastFetch: { readonly key: string; readonly items: readonly Delivery[] } | undefined;
  /** Answers the heartbeat that is held. */
  beat: (() => void) | undefined;
  /** Wakes Runtime.Start: it has a function, or will have none. */
  give: (() => void) | undefined;
  /** Settles when the files of its function are in place. */
  prepared: Promise<void> = Promise.resolve();
  /** Counts as a start under way. */
  startCounted = false;
  /** Inputs that it is to be told to cancel. */
  cancels: string[] = [];
  /** Inputs whose output is decided though it still runs them, and when its patience ends. */
  readonly abandoned = new Map<string, Deadline>();
  /** Of a container with one slot: the input that it was given last. */
  lastInput: { readonly callId: string; readonly inputId: string } | undefined;
  /** Inputs taken so far. */
  taken = 0;
  idleSince: number | undefined;
  heardAt: number;
  /** Why it was told to stop; undefined when it was not. */
  stopReason: string | undefined;
  /** What its runtime said about a start that failed. */
  startFailure: ResultInit | undefined;
  deadline: Deadline | undefined;
  /** Resolves when every trace of it is gone. */
  ended: Promise<void> = new Promise(() => {});

  constructor(options: { taskId: string; standby: StandbyKind | undefined; now: number }) {
    this.taskId = options.taskId;
    this.standby = options.standby;
    this.createdAt = options.now;
    this.stageAt = options.now;
    this.heardAt = options.now;
  }

  /** Serves inputs, or will. */
  get live(): boolean {
    return this.state !== "draining" && this.state !== "ended";
  }

  apply(event: ContainerEvent): void {
    const next = nextContainerState(this.state, event);
    if (next === undefined) {
      throw new LydianError("failed_precondition", `Container ${this.taskId} is ${this.state}: "${event}" cannot happen now.`);
    }
    this.state = next;
  }

  /** Ends a stage of its start. */
  stage(name: string, now: number): void {
    this.stages[name] = (this.stages[name] ?? 0) + now - this.stageAt;
    this.stageAt = now;
  }
}
