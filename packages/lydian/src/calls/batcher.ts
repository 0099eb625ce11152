// Calls of a function that are made in one turn of the event loop travel in one message and share one durable write.
import {
  type FunctionCallInvocationType,
  type FunctionGetOutputsItem,
  type FunctionMapResponse,
  inputColumns,
  LydianError,
  FunctionCallType as Type,
  unpackCallIds,
} from "@lydian/protocol";
import { currentClient } from "../client.ts";
import { currentInput } from "../context.ts";
import type { WireInput } from "./payload.ts";

export interface CallRequest {
  readonly functionId: string;
  readonly type: Type;
  readonly invocation: FunctionCallInvocationType;
  /** Absent for a map, whose inputs follow. */
  readonly input?: WireInput;
  /** The answer may be held this long to bring the output with it. It is not where the call shares a message with others. */
  readonly waitSeconds?: number;
}

export type CallMade = Pick<FunctionMapResponse, "functionCallId" | "lydianOutputs" | "maxInputsOutstanding">;

interface Waiting {
  readonly request: CallRequest;
  readonly parentInputId: string;
  readonly resolve: (made: CallMade) => void;
  readonly reject: (error: unknown) => void;
}

const MAX_BATCH = 1_000;
const MAX_BATCH_BYTES = 16 << 20;
const NO_OUTPUTS: FunctionGetOutputsItem[] = [];

let waiting: Waiting[] = [];

/** Resolves when the call is durable on the server, with its output if that was waited for and came in time. */
export function makeCall(request: CallRequest): Promise<CallMade> {
  return new Promise((resolve, reject) => {
    waiting.push({ request, parentInputId: currentInput()?.inputId ?? "", resolve, reject });
    if (waiting.length === 1) setImmediate(flush);
  });
}

/** What one message can carry. */
class Batch {
  readonly calls: Waiting[] = [];
  #bytes = 0;

  add(call: Waiting): void {
    this.calls.push(call);
    this.#bytes += sizeOf(call.request);
  }

  takes({ request, parentInputId }: Waiting): boolean {
    const [first] = this.calls;
    if (first === undefined) return true;
    const { functionId, invocation, type, input } = first.request;
    const isSame = functionId === request.functionId && invocation === request.invocation && parentInputId === first.parentInputId;
    const isUnary = type === Type.UNARY && request.type === Type.UNARY;
    return isSame && isUnary && isAlike(input, request.input) && this.calls.length < MAX_BATCH && this.#bytes < MAX_BATCH_BYTES;
  }
}

function flush(): void {
  const all = waiting;
  waiting = [];
  const batches: Batch[] = [];
  for (const call of all) {
    // Mostly the latest takes it.
    let batch = batches.findLast((open) => open.takes(call));
    if (batch === undefined) {
      batch = new Batch();
      batches.push(batch);
    }
    batch.add(call);
  }
  for (const { calls } of batches) void send(calls);
}

async function send(batch: readonly Waiting[]): Promise<void> {
  const [first] = batch;
  if (first === undefined) return;
  try {
    if (batch.length === 1) first.resolve(await makeOne(first));
    else {
      const ids = await makeMany(first, batch);
      for (const [i, { resolve, reject }] of batch.entries()) {
        const functionCallId = ids[i];
        if (functionCallId !== undefined) resolve({ functionCallId, lydianOutputs: NO_OUTPUTS, maxInputsOutstanding: 0 });
        else reject(new LydianError("internal", "The server answered fewer calls than were made."));
      }
    }
  } catch (error) {
    if (batch.length > 1 && LydianError.is(error) && !error.retryable) return sendHalves(batch);
    for (const { reject } of batch) reject(error);
  }
}

function makeOne({ request, parentInputId }: Waiting): Promise<CallMade> {
  return currentClient().modal.functionMap({
    functionId: request.functionId,
    parentInputId,
    functionCallType: request.type,
    functionCallInvocationType: request.invocation,
    pipelinedInputs: request.input ? [{ idx: 0, input: request.input }] : [],
    lydianWait: request.waitSeconds ?? 0,
  });
}

async function makeMany({ request, parentInputId }: Waiting, batch: readonly Waiting[]): Promise<readonly string[]> {
  const { functionId, invocation } = request;
  const inputs = inputColumns(batch.flatMap(({ request: { input } }) => input ?? []));
  if (inputs === undefined) throw new LydianError("internal", "Calls that are not alike were put into one message.");
  const { calls } = await currentClient().bulk.functionMap({ functionId, invocation, parentInputId, inputs });
  return unpackCallIds(calls);
}

/** Whether one message of the bulk service can carry both. */
function isAlike(one: WireInput | undefined, other: WireInput | undefined): boolean {
  if (one?.argsOneof?.case !== "args" || other?.argsOneof?.case !== "args") return false;
  return one.dataFormat === other.dataFormat && one.methodName === other.methodName;
}

/** One of them was refused, and with it the message. The others must not pay for it. */
async function sendHalves(batch: readonly Waiting[]): Promise<void> {
  const middle = batch.length >> 1;
  await Promise.all([send(batch.slice(0, middle)), send(batch.slice(middle))]);
}

function sizeOf({ input }: CallRequest): number {
  const args = input?.argsOneof;
  return args?.case === "args" ? (args.value?.length ?? 0) : 0;
}
