import { LydianError } from "@lydian/protocol";
import type { Output } from "./call.ts";
import type { CallStore } from "./store.ts";

/** The output with its result, read from the journal when memory does not keep it. */
export function fullyKept(output: Output, store: CallStore): Output {
  if (output.result !== undefined) return output;
  const result = store.result(output.seq);
  if (result === undefined) throw new LydianError("not_found", "This result is no longer kept.", { hint: "Results are kept for 7 days." });
  return { ...output, result };
}
