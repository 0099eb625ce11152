// Calls that are made in one turn of the event loop travel in one message and share one durable write.
import { type FunctionCallInvocationType, type FunctionCallType, type FunctionMapResponse, LydianError } from "@lydian/protocol";
import { currentClient } from "../client.ts";
import { currentInput } from "../context.ts";
import type { WireInput } from "./payload.ts";

export interface CallRequest {
  readonly functionId: string;
  readonly type: FunctionCallType;
  readonly invocation: FunctionCallInvocationType;
  /** Absent for a map, whose inputs follow. */
  readonly input?: WireInput;
  /** The answer may be held this long to bring the output with it. It is not where the call shares a message with others. */
  readonly waitSeconds?: number;
}

interface Waiting {
  readonly request: CallRequest;
  readonly parentInputId: string;
  readonly resolve: (response: FunctionMapResponse) => void;
  readonly reject: (error: unknown) => void;
}

const MAX_BATCH = 1_000;
const MAX_BATCH_BYTES = 16 << 20;

let waiting: Waiting[] = [];

/** Resolves when the call is durable on the server, with its output if that was waited for and came in time. */
export function makeCall(request: CallRequest): Promise<FunctionMapResponse> {
  return new Promise((resolve, reject) => {
    waiting.push({ request, parentInputId: currentInput()?.inputId ?? "", resolve, reject });
    if (waiting.length === 1) setImmediate(flush);
  });
}

function flush(): void {
  const all = waiting;
  waiting = [];
  for (let start = 0; start < all.length; ) {
    let end = start;
    for (let bytes = 0; end < all.length && end - start < MAX_BATCH && (end === start || bytes < MAX_BATCH_BYTES); end++)
      bytes += sizeOf(all[end]);
    void send(all.slice(start, end));
    start = end;
  }
}

async function send(batch: readonly Waiting[]): Promise<void> {
  try {
    const { modal, lydian } = currentClient();
    const requests = batch.map(wire);
    const [only] = requests;
    const calls =
      requests.length === 1 && only
        ? [await modal.functionMap({ ...only, lydianWait: batch[0]?.request.waitSeconds ?? 0 })]
        : (await lydian.functionMapMany({ calls: requests })).calls;
    for (const [i, { resolve, reject }] of batch.entries()) {
      const response = calls[i];
      if (response) resolve(response);
      else reject(new LydianError("internal", "The server answered fewer calls than were made."));
    }
  } catch (error) {
    if (batch.length > 1 && LydianError.is(error) && !error.retryable) return sendHalves(batch);
    for (const { reject } of batch) reject(error);
  }
}

/** One of them was refused, and with it the message. The others must not pay for it. */
async function sendHalves(batch: readonly Waiting[]): Promise<void> {
  const middle = batch.length >> 1;
  await Promise.all([send(batch.slice(0, middle)), send(batch.slice(middle))]);
}

const wire = ({ request, parentInputId }: Waiting) => ({
  functionId: request.functionId,
  parentInputId,
  functionCallType: request.type,
  functionCallInvocationType: request.invocation,
  pipelinedInputs: request.input ? [{ idx: 0, input: request.input }] : [],
});

function sizeOf(call: Waiting | undefined): number {
  const args = call?.request.input?.argsOneof;
  return args?.case === "args" ? (args.value?.length ?? 0) : 0;
}
