import {
  DataFormat,
  fromBinary,
  GeneratorDoneSchema,
  FunctionCallInvocationType as Invocation,
  LydianError,
  GenericResult_GenericStatus as Status,
  FunctionCallType as Type,
} from "@lydian/protocol";
import { currentClient } from "../client.ts";
import { InvalidError, typedError } from "../errors.ts";
import type { CallTarget } from "../function-handle.ts";
import { cancelCall } from "./call-info.ts";
import { readOutputs } from "./outputs.ts";
import { decodeValue, encodeInput } from "./payload.ts";
import { type CallerStack, callerStack, resultError } from "./result.ts";
import { callTarget } from "./target.ts";

/** Streams that may break one after the other without a value between them. */
const MAX_BREAKS = 10;

/** The values as they are yielded. Leaving early cancels the call. */
export async function* remoteGenerator(target: CallTarget, args: readonly unknown[]): AsyncGenerator<unknown, void, undefined> {
  const calledFrom = callerStack();
  const { response } = await callTarget(target, async (callee) => {
    if (callee.isGenerator === false) throw new InvalidError(`${target.name()} is no generator: it is called with remote.`);
    return {
      type: Type.UNARY,
      invocation: Invocation.SYNC_LEGACY,
      input: await encodeInput(args, { ...callee, method: target.method }),
    };
  }).catch((error: unknown) => {
    throw typedError(error);
  });
  const { functionCallId } = response;
  const ended = new AbortController();
  const signal = target.signal ? AbortSignal.any([ended.signal, target.signal]) : ended.signal;
  let outcome: { readonly items: number } | { readonly error: unknown } | undefined;
  const outcomeKnown = waitForEnd(functionCallId, signal, calledFrom).then(
    (items) => {
      outcome = { items };
    },
    (error: unknown) => {
      outcome = { error };
    },
  );
  let last = 0;
  let isOver = false;
  /** The server has told all that there is: values that came before an error are not lost to it. */
  let isDrained = false;
  const over = (): boolean => outcome !== undefined && ("error" in outcome ? isDrained : last >= outcome.items);
  try {
    for (let breaks = 0; !over(); ) {
      const hadEnded = outcome !== undefined;
      try {
        for await (const chunk of currentClient().modal.functionCallGetDataOut(
          { callInfo: { case: "functionCallId", value: functionCallId }, lastIndex: BigInt(last) },
          { signal },
        )) {
          if (Number(chunk.index) <= last) continue;
          last = Number(chunk.index);
          breaks = 0;
          yield await decodeValue(chunk, chunk.dataFormat);
          if (over()) break;
        }
        isDrained = hadEnded;
        if (hadEnded && !over() && ++breaks > MAX_BREAKS)
          throw new LydianError("data_loss", `The generator's values after the ${last}th are lost.`);
      } catch (error) {
        if (signal.aborted || !LydianError.is(error) || !error.retryable || ++breaks > MAX_BREAKS)
          throw outcome && "error" in outcome ? outcome.error : error;
      }
      // The stream ends when the generator has: its outcome is there or about to be.
      if (!over()) await Promise.race([outcomeKnown, new Promise((resolve) => setTimeout(resolve, 100).unref())]);
    }
    isOver = true;
    if (outcome && "error" in outcome) throw outcome.error;
  } catch (error) {
    if (target.signal?.aborted) throw target.signal.reason;
    throw typedError(error);
  } finally {
    ended.abort();
    if (!isOver) void cancelCall(functionCallId, false).catch(() => undefined);
  }
}

/** The number of values, when the generator has ended well. */
async function waitForEnd(functionCallId: string, signal: AbortSignal, calledFrom: CallerStack): Promise<number> {
  for (;;) {
    const { outputs } = await readOutputs({ functionCallId, idx: 0 }, Number.POSITIVE_INFINITY, signal);
    const [output] = outputs;
    if (!output) continue;
    const { result, dataFormat } = output;
    if (result?.status !== Status.SUCCESS) throw await resultError(result, dataFormat, calledFrom);
    if (dataFormat !== DataFormat.GENERATOR_DONE || result.dataOneof.case !== "data")
      throw new LydianError("internal", "The function did not answer as a generator does.");
    return Number(fromBinary(GeneratorDoneSchema, result.dataOneof.value).itemsTotal);
  }
}
