import {
  create,
  DataFormat,
  encodePayload,
  type Function as FunctionDefinition,
  type FunctionInput,
  FunctionInputSchema,
} from "@lydian/protocol";
import { OUR_RUNTIME } from "../functions/refusals.ts";

/** Python's `pickle.dumps(((), {}), protocol=4)`: what the official runtime reads as no arguments. */
const PICKLED = Buffer.from("8004950600000000000000297d9486942e", "hex");

/** The input of a call without arguments, as the function's runtime reads it. */
export function noArguments({ runtime }: FunctionDefinition): FunctionInput {
  const isOurs = runtime === OUR_RUNTIME;
  return create(FunctionInputSchema, {
    argsOneof: { case: "args", value: isOurs ? encodePayload([[], {}]) : PICKLED },
    dataFormat: isOurs ? DataFormat.CBOR : DataFormat.PICKLE,
  });
}
