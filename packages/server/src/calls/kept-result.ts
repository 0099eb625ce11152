import { LydianError } from "@lydian/protocol";
import type { Call, Output } from "./call.ts";
import type { CallStore } from "./store.ts";

/** The output with its result, read from the journal when memory does not keep it. */
export function fullyKept(call: Call, output: Output, store: CallStore): Output {
  if (output.result !== undefined) return output;
  const result = store.result(call, output.idx);
  if (result === undefined) throw new LydianError("not_found", "This result is no longer kept.", { hint: "Results are kept for 7 days." });
  return { ...output, result };
}
