// What makes two definitions equal. An unchanged definition keeps its id, so that a deployment restarts only what has changed.
import { createHash } from "node:crypto";
import { type Function as FunctionDefinition, FunctionSchema$, toBinary } from "@lydian/protocol";
import { OUR_RUNTIME } from "./refusals.ts";

/**
 * SHA-256 of the definition, whatever the order of maps. Python clients make `mount_ids` of a set, in another order in each
 * process; of our own runtime a later mount wins, so there the order counts.
 */
export function contentOf(definition: FunctionDefinition): Uint8Array {
  const canonical = {
    ...definition,
    methodDefinitions: sorted(definition.methodDefinitions),
    experimentalOptions: sorted(definition.experimentalOptions),
    mountIds: definition.runtime === OUR_RUNTIME ? definition.mountIds : definition.mountIds.toSorted(),
  };
  return createHash("sha256").update(toBinary(FunctionSchema$, canonical)).digest();
}

const sorted = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
