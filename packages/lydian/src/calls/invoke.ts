import {
  type FunctionGetOutputsItem,
  FunctionCallInvocationType as Invocation,
  LydianError,
  FunctionCallType as Type,
} from "@lydian/protocol";
import { InvalidError, TimeoutError, typedError } from "../errors.ts";
import { FunctionCall } from "../function-call.ts";
import type { CallTarget } from "../function-handle.ts";
import type { CallMade } from "./batcher.ts";
import { cancelCall } from "./call-info.ts";
import { HOLD_SECONDS, readOutputs } from "./outputs.ts";
import { encodeInput } from "./payload.ts";
import { callerStack, resultValue } from "./result.ts";
import { callTarget } from "./target.ts";

const FOREVER_MS = Number.POSITIVE_INFINITY;

/** Makes the call and waits for its result. An aborted signal or a timeout cancels it. */
export async function remote(target: CallTarget, args: readonly unknown[]): Promise<unknown> {
  const calledFrom = callerStack();
  target.signal?.throwIfAborted();
  // What may have to be cancelled must be known by its id first.
  const waitSeconds = target.signal === undefined && target.timeoutMs === undefined ? HOLD_SECONDS : 0;
  const { functionCallId: callId, lydianOutputs } = await start(target, args, Invocation.SYNC, waitSeconds);
  try {
    const output = lydianOutputs[0] ?? (await waitFor(callId, target.timeoutMs, target.signal, true));
    return await resultValue(output.result, output.dataFormat, calledFrom);
  } catch (error) {
    if (error instanceof TimeoutError || target.signal?.aborted) void cancelCall(callId, false).catch(() => undefined);
    if (target.signal?.aborted) throw target.signal.reason;
    throw typedError(error);
  }
}

export async function spawn(target: CallTarget, args: readonly unknown[]): Promise<FunctionCall> {
  const { functionCallId } = await start(target, args, Invocation.ASYNC, 0);
  return new FunctionCall(functionCallId);
}

/** The result of a call by id. Giving up the wait leaves the call alone. */
export async function callResult(
  callId: string,
  options: { timeoutMs: number | undefined; signal: AbortSignal | undefined },
): Promise<unknown> {
  const calledFrom = callerStack();
  try {
    const output = await waitFor(callId, options.timeoutMs, options.signal, false);
    return await resultValue(output.result, output.dataFormat, calledFrom);
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw typedError(error);
  }
}

async function start(target: CallTarget, args: readonly unknown[], invocation: Invocation, waitSeconds: number): Promise<CallMade> {
  try {
    const { response } = await callTarget(target, async (callee) => {
      if (callee.isGenerator) throw new InvalidError(`${target.name()} is a generator: its values come from remoteGen.`);
      return { type: Type.UNARY, invocation, input: await encodeInput(args, { ...callee, method: target.method }), waitSeconds };
    });
    return response;
  } catch (error) {
    throw typedError(error);
  }
}

async function waitFor(
  callId: string,
  timeoutMs: number | undefined,
  signal: AbortSignal | undefined,
  isLast: boolean,
): Promise<FunctionGetOutputsItem> {
  const until = timeoutMs === undefined ? FOREVER_MS : Date.now() + timeoutMs;
  for (;;) {
    const restMs = Math.max(0, until - Date.now());
    const { outputs, unfinished } = await readOutputs({ functionCallId: callId, idx: 0, isLast }, restMs, signal);
    const [output] = outputs;
    if (output) return output;
    if (unfinished === 0) throw new LydianError("not_found", `The call ${callId} has no result.`);
    if (restMs === 0) throw new TimeoutError(`The call ${callId} has no result after ${timeoutMs} ms.`);
  }
}
