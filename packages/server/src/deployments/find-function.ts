// A function by its name in a deployed app, and what to say when there is none.
import { create, FunctionLookupErrorSchema, FunctionLookupError_Reason as LookupReason, LydianError, toBinary } from "@lydian/protocol";
import type { CalledFunction } from "../calls/functions-port.ts";
import type { Classes } from "../classes/classes.ts";
import type { FunctionByName } from "../functions/rpc.ts";
import type { Caller } from "../identity/caller.ts";
import type { Deployments } from "./deployments.ts";
import type { Lookup } from "./lookup.ts";

const SHOWN_NAMES = 20;

export function findFunction(
  { lookup, deployments, classes }: { readonly lookup: Lookup; readonly deployments: Deployments; readonly classes: Classes },
  request: FunctionByName,
  caller: Caller,
): CalledFunction {
  const { objectTag: name } = request;
  const shown = JSON.stringify(name.slice(0, 200));
  const app = lookup.app(caller, request, `function ${shown}`);
  const found = deployments.functionOf(app.id, name);
  if (found !== undefined) return found;
  const isClass = classes.ofLayout(app.id).some((each) => each.name === name);
  if (isClass) {
    const detail = create(FunctionLookupErrorSchema, { reason: LookupReason.CLASS_NAME_USED });
    const message = `${shown} is a class of the app ${JSON.stringify(app.name)}, not a function.`;
    throw new LydianError("not_found", message, {
      hint: "Look it up as a class (`Cls.fromName`).",
      officialHint: "Look it up as a class (`Cls.from_name`).",
      wireDetail: { type: detail.$typeName, value: toBinary(FunctionLookupErrorSchema, detail) },
    });
  }
  const className = /^(.+)\.\*$/.exec(name)?.[1];
  if (className !== undefined) {
    const known = classes.ofLayout(app.id).map((each) => each.name);
    throw new LydianError("not_found", `The app ${JSON.stringify(app.name)} has no class ${JSON.stringify(className.slice(0, 200))}.`, {
      hint: known.length === 0 ? "It has no classes." : `It has: ${known.slice(0, SHOWN_NAMES).join(", ")}.`,
    });
  }
  const names = Object.keys(deployments.functionIds(app.id));
  throw new LydianError("not_found", `The app ${JSON.stringify(app.name)} has no function ${shown}.`, {
    hint: names.length === 0 ? "It has no functions." : `It has: ${names.slice(0, SHOWN_NAMES).join(", ")}.`,
  });
}
