import type { FunctionCallInvocationType, FunctionCallType, FunctionGetOutputsItem, FunctionInput } from "@lydian/protocol";
import { LydianError } from "@lydian/protocol";
import { Deque } from "./deque.ts";
import { GeneratorData } from "./generator-data.ts";
import { Wakeup } from "./wakeup.ts";

export type InputState = "queued" | "running" | "waiting" | "done";

/** An input without an output yet. */
export interface LiveInput {
  readonly call: LiveCall;
  readonly idx: number;
  readonly input: FunctionInput;
  state: InputState;
  failures: number;
  losses: number;
  /** While it runs: the container, and when it was handed out (ms). */
  taskId: string;
  startedAt: number;
}

/** The number that fences an attempt: what carries another is late. */
export const attemptOf = (input: LiveInput): number => input.failures + input.losses;

export interface CallIdentity {
  readonly id: string;
  readonly workspaceId: string;
  readonly appId: string;
  readonly functionId: string;
  readonly type: FunctionCallType;
  readonly invocation: FunctionCallInvocationType;
  readonly parentInputId: string;
  readonly idempotencyKey: string;
  readonly createdAt: number;
}

/** A call in memory: inputs that are open, outputs that may be asked for. */
export class LiveCall {
  readonly identity: CallIdentity;
  readonly open = new Map<number, LiveInput>();
  /** Those of `open` that a container may take now. */
  readonly ready = new Deque<LiveInput>();
  /** In the order in which they were recorded: the cursor of readers is a place in this list. */
  readonly outputs: FunctionGetOutputsItem[] = [];
  readonly byIdx = new Map<number, number>();
  readonly changed = new Wakeup();
  readonly data: GeneratorData = new GeneratorData();
  cancelled = false;
  /** Number of the next output. May run ahead of `outputs` while a commit is under way. */
  nextSeq = 0;
  /** In its function's queue of calls with ready inputs. */
  listed = false;

  constructor(identity: CallIdentity) {
    this.identity = identity;
  }

  get id(): string {
    return this.identity.id;
  }

  get size(): number {
    return this.open.size + this.outputs.length;
  }

  /** Call after the output is durable. */
  record(output: FunctionGetOutputsItem): void {
    this.open.delete(output.idx);
    this.byIdx.set(output.idx, this.outputs.length);
    this.outputs.push(output);
    this.changed.wake();
  }
}

/** The place that a cursor like "12-0" names. */
export function cursorPlace(cursor: string): number {
  const match = /^(\d{1,15})-0$/.exec(cursor === "" ? "0-0" : cursor);
  if (!match) throw new LydianError("invalid_argument", `last_entry_id ${JSON.stringify(cursor)} is not a cursor of this server ("0-0", or one that it returned).`);
  return Number(match[1]);
}
