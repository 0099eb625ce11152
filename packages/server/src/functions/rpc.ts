import { AutoscalerSettingsSchema, create, FunctionOptionsSchema, type Handlers, LydianError, type ModalClient } from "@lydian/protocol";
import type { Apps } from "../apps/apps.ts";
import type { CalledFunction } from "../calls/functions-port.ts";
import type { Caller } from "../identity/caller.ts";
import type { Functions } from "./functions.ts";
import { describedMetadata, functionData, handleMetadata } from "./metadata.ts";
import { settingsOf } from "./options.ts";
import { refuseUnservedReservation } from "./refusals.ts";

export interface FunctionsRpcDependencies {
  readonly functions: Functions;
  readonly apps: Apps;
  readonly stats: (functionId: string) => { backlog: number; running: number; containers: number };
  /** Of a published app, by name; throws when there is none that the caller may see. */
  readonly find: (request: FunctionByName, caller: Caller) => CalledFunction;
  /** Told when the settings of a function's autoscaler are others. */
  readonly onSettings: (functionId: string) => void;
}

export interface FunctionByName {
  readonly appName: string;
  readonly objectTag: string;
  readonly environmentName: string;
  readonly appVersion: number;
}

export function createFunctionsRpc(d: FunctionsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  const { functions, apps, stats, find, onSettings } = d;
  const metadata = (fn: CalledFunction) => handleMetadata(fn, functions.baseIdOf(fn.id));
  /** A container sees the functions of its environment. */
  const require = (functionId: string, caller: Caller): CalledFunction => {
    const fn = functions.require(functionId, caller.workspaceId);
    if (caller.kind !== "container" || fn.environmentId === caller.environmentId) return fn;
    throw new LydianError("not_found", `There is no function ${JSON.stringify(functionId)}.`);
  };

  return {
    async functionPrecreate(request, { caller }) {
      // A name is reserved before its definition arrives: what could not be defined later is refused now.
      refuseUnservedReservation({ ...request, methodDefinitions: {} });
      const app = apps.requireLive(request.appId, caller.workspaceId);
      return {
        functionId: await functions.reserve(app, request.functionName),
        handleMetadata: describedMetadata(request, app.id),
      };
    },

    async functionCreate(request, { caller }) {
      const definition = request.function;
      if (!definition)
        throw new LydianError(
          "invalid_argument",
          "FunctionCreate needs `function`; lists of alternatives (`function_data`) are not served yet.",
        );
      const fn = await functions.define(apps.requireLive(request.appId, caller.workspaceId), definition, request.existingFunctionId);
      return { functionId: fn.id, function: definition, handleMetadata: handleMetadata(fn), functionData: functionData(fn) };
    },

    functionGet(request, { caller }) {
      const fn = find(request, caller);
      return { functionId: fn.id, handleMetadata: metadata(fn), function: functionData(fn) };
    },

    functionGetById({ functionId }, { caller }) {
      const fn = require(functionId, caller);
      return { handleMetadata: metadata(fn), function: functionData(fn) };
    },

    async functionBindParams({ functionId, serializedParams, functionOptions }, { caller }) {
      const base = require(functionId, caller);
      apps.requireLive(base.appId, caller.workspaceId);
      const variant = await functions.bind(base, serializedParams, functionOptions ?? create(FunctionOptionsSchema));
      return { boundFunctionId: variant.id, handleMetadata: handleMetadata(variant, base.id) };
    },

    async functionUpdateSchedulingParams({ functionId, settings }, { caller }) {
      const fn = require(functionId, caller);
      apps.requireLive(fn.appId, caller.workspaceId);
      const changed = await functions.setSettings(fn, settings ?? create(AutoscalerSettingsSchema));
      onSettings(fn.id);
      return { currentSettings: settingsOf(changed.definition) };
    },

    functionGetSchedulingParams({ functionId }, { caller }) {
      const fn = require(functionId, caller);
      const { own, changed } = functions.settings(fn.id);
      return {
        autoscalerConfiguration: {
          settings: settingsOf(fn.definition),
          staticSettings: settingsOf(own ?? fn.definition),
          overrideSettings: changed ?? {},
        },
      };
    },

    functionGetCurrentStats({ functionId }, { caller }) {
      const { backlog, running, containers } = stats(require(functionId, caller).id);
      return { backlog, numTotalTasks: containers, numRunningInputs: running };
    },
  };
}
