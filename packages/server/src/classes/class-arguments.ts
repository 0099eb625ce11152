// The constructor's arguments of an instance, as clients send them and as our own runtime takes them.
import { ClassParameterSetSchema, CONSTRUCTOR_ARGUMENTS, encodePayload, fromBinary, LydianError } from "@lydian/protocol";

/**
 * A CBOR list: one record of the parameters by name, or what a client of ours sent as the list itself. Empty for nothing.
 * Throws `invalid_argument` for bytes of another kind.
 */
export function classArguments(params: Uint8Array): Uint8Array {
  if (params.length === 0) return params;
  const values: Record<string, string | number | bigint | boolean | Uint8Array> = {};
  for (const { name, valueOneof } of parse(params).parameters) {
    if (name === CONSTRUCTOR_ARGUMENTS && valueOneof.case === "bytesValue") return valueOneof.value;
    if (valueOneof.case === undefined || valueOneof.case === "pickleValue")
      throw invalid(`The parameter ${JSON.stringify(name.slice(0, 100))} has no value that a TypeScript class can read.`);
    values[name] = valueOneof.case === "intValue" ? numberOf(valueOneof.value) : valueOneof.value;
  }
  return encodePayload([values], { rich: true });
}

function parse(params: Uint8Array) {
  try {
    return fromBinary(ClassParameterSetSchema, params);
  } catch (cause) {
    throw invalid("The parameters of the class are no ClassParameterSet, which is what TypeScript classes take.", cause);
  }
}

const numberOf = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

const invalid = (message: string, cause?: unknown) =>
  new LydianError("invalid_argument", message, {
    hint: "Parameters are strings, integers, booleans or bytes; pass other values to its methods.",
    ...(cause === undefined ? {} : { cause }),
  });
