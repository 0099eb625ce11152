// What a variant of a function of our own runtime may not be, though one of the official runtime's may.
import { type Function as FunctionDefinition, LydianError } from "@lydian/protocol";
import { classArguments } from "../classes/class-arguments.ts";

/** Throws `invalid_argument`. */
export function checkOurVariant(base: FunctionDefinition, merged: FunctionDefinition, params: Uint8Array): void {
  classArguments(params);
  if (base.batchMaxSize > 0 === merged.batchMaxSize > 0) return;
  const name = JSON.stringify(base.functionName);
  const message =
    base.batchMaxSize > 0
      ? `The handler of ${name} takes lists, so its variants batch too; give a batch size of at least 1.`
      : `The handler of ${name} takes one input at a time, so its variants cannot batch.`;
  throw new LydianError("invalid_argument", message, { hint: "Whether a function batches is said where it is defined." });
}
