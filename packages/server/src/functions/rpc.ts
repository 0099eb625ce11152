import { type Handlers, LydianError, type ModalClient } from "@lydian/protocol";
import type { Apps } from "../apps/apps.ts";
import type { CalledFunction } from "../calls/functions-port.ts";
import type { Caller } from "../identity/caller.ts";
import type { Functions } from "./functions.ts";
import { handleMetadata, reservedMetadata } from "./metadata.ts";
import { refuseUnservedReservation } from "./refusals.ts";

export interface FunctionsRpcDependencies {
  readonly functions: Functions;
  readonly apps: Apps;
  readonly stats: (functionId: string) => { backlog: number; running: number; containers: number };
}

export function createFunctionsRpc({ functions, apps, stats }: FunctionsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  return {
    async functionPrecreate(request, { caller }) {
      const { appId, functionName, functionType } = request;
      refuseUnservedReservation(request);
      const app = apps.requireLive(appId, caller.workspaceId);
      return {
        functionId: await functions.reserve(app, functionName),
        handleMetadata: reservedMetadata(functionName, app.id, functionType),
      };
    },

    async functionCreate(request, { caller }) {
      const definition = request.function;
      if (!definition)
        throw new LydianError(
          "invalid_argument",
          "FunctionCreate needs `function`; lists of alternatives (`function_data`) are not served yet.",
        );
      const record = await functions.define(apps.requireLive(request.appId, caller.workspaceId), definition, request.existingFunctionId);
      return { functionId: record.id, function: definition, handleMetadata: handleMetadata(record), functionData: functionData(record) };
    },

    functionGet({ appName, objectTag }, _context) {
      throw new LydianError(
        "not_found",
        `There is no deployed app ${JSON.stringify(appName)} with a function ${JSON.stringify(objectTag)}: deployments are not served yet.`,
      );
    },

    functionGetById({ functionId }, { caller }) {
      const record = functions.require(functionId, caller.workspaceId);
      return { handleMetadata: handleMetadata(record), function: functionData(record) };
    },

    functionGetCurrentStats({ functionId }, { caller }) {
      const { backlog, running, containers } = stats(functions.require(functionId, caller.workspaceId).id);
      return { backlog, numTotalTasks: containers, numRunningInputs: running };
    },
  };
}

/** Current clients read the definition from here and refuse an empty list. */
const functionData = ({ definition }: CalledFunction) => ({
  moduleName: definition.moduleName,
  functionName: definition.functionName,
  functionType: definition.functionType,
  rankedFunctions: [{ rank: 0, function: definition }],
});
