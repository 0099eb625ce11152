import { currentClient } from "../client.ts";
import { typedError } from "../errors.ts";
import type { CallStatus } from "../function-call.ts";

export async function cancelCall(functionCallId: string, terminateContainers: boolean): Promise<void> {
  await currentClient().modal.functionCallCancel({ functionCallId, terminateContainers }).catch(rethrow);
}

export async function callStatus(functionCallId: string): Promise<CallStatus> {
  const { info } = await currentClient().modal.functionCallGetInfo({ functionCallId }).catch(rethrow);
  if ((info?.pendingInputs?.total ?? 0) > 0) return "pending";
  if ((info?.timeoutInputs?.total ?? 0) > 0) return "timeout";
  if ((info?.cancelledInputs?.total ?? 0) > 0) return "terminated";
  return (info?.failedInputs?.total ?? 0) > 0 ? "failure" : "success";
}

export async function callInputs(functionCallId: string): Promise<number> {
  return (await currentClient().modal.functionCallFromId({ functionCallId }).catch(rethrow)).numInputs;
}

function rethrow(error: unknown): never {
  throw typedError(error);
}
