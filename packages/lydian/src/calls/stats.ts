import type { AutoscalerSettingsSchema, MessageInitShape } from "@lydian/protocol";
import { currentClient } from "../client.ts";
import { typedError } from "../errors.ts";
import type { CallTarget } from "../function-handle.ts";
import type { FunctionStats } from "../function-types.ts";
import { callee } from "./target.ts";

export async function stats(target: CallTarget): Promise<FunctionStats> {
  const { functionId } = await callee(target);
  const { backlog, numRunningInputs, numTotalTasks } = await currentClient().modal.functionGetCurrentStats({ functionId }).catch(rethrow);
  return { backlog, running: numRunningInputs, containers: numTotalTasks };
}

export async function updateAutoscaler(target: CallTarget, settings: MessageInitShape<typeof AutoscalerSettingsSchema>): Promise<void> {
  const { functionId } = await callee(target);
  await currentClient().modal.functionUpdateSchedulingParams({ functionId, settings }).catch(rethrow);
}

function rethrow(error: unknown): never {
  throw typedError(error);
}
