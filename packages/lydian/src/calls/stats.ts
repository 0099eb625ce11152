import { currentClient } from "../client.ts";
import type { CallTarget } from "../function-handle.ts";
import type { FunctionStats } from "../function-types.ts";
import { targetId } from "./target.ts";

export async function stats(target: CallTarget): Promise<FunctionStats> {
  const { backlog, numRunningInputs, numTotalTasks } = await currentClient().modal.functionGetCurrentStats({
    functionId: await targetId(target),
  });
  return { backlog, running: numRunningInputs, containers: numTotalTasks };
}
