import { type Handlers, LydianError, type ModalClient } from "@lydian/protocol";
import type { Deployments } from "../deployments/deployments.ts";
import type { Lookup } from "../deployments/lookup.ts";
import { handleMetadata } from "../functions/metadata.ts";
import type { Caller } from "../identity/caller.ts";
import { type Classes, serviceFunctionOf } from "./classes.ts";

export interface ClassesRpcDependencies {
  readonly classes: Classes;
  readonly deployments: Deployments;
  readonly lookup: Lookup;
}

export function createClassesRpc({ classes, deployments, lookup }: ClassesRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  return {
    async classCreate({ appId, existingClassId, methods }, { caller, headers }) {
      if (methods.length > 0)
        throw new LydianError("unimplemented", "Classes with a function for each method are not served.", {
          hint: "Update the client: newer ones have one function for the whole class.",
        });
      const app = lookup.live(caller, appId);
      return { classId: await classes.create(app, existingClassId, headers["x-idempotency-key"] ?? ""), handleMetadata: {} };
    },

    classGet(request, { caller }) {
      const { appName, objectTag: name } = request;
      const app = lookup.app(caller, request, `class ${JSON.stringify(name.slice(0, 200))}`);
      const record = classes.ofLayout(app.id).find((each) => each.name === name);
      if (record === undefined)
        throw new LydianError("not_found", `The app ${JSON.stringify(appName)} has no class ${JSON.stringify(name.slice(0, 200))}.`, {
          hint: hintOf(classes.ofLayout(app.id).map((each) => each.name)),
        });
      const service = deployments.functionOf(app.id, serviceFunctionOf(name));
      return {
        classId: record.id,
        handleMetadata: service === undefined ? {} : { classFunctionId: service.id, classFunctionMetadata: handleMetadata(service) },
      };
    },
  };
}

const hintOf = (names: readonly string[]) => (names.length === 0 ? "It has no classes." : `It has: ${names.slice(0, 20).join(", ")}.`);
