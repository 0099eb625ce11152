// A class that is known by name only: the server tells its methods and the parameters that it declares.
import {
  type ClassParameterSpec,
  ClassParameterInfo_ParameterSerializationFormat as Format,
  type FunctionHandleMetadata,
  Function_FunctionType as FunctionType,
  LydianError,
  ParameterType as Type,
} from "@lydian/protocol";
import { type AnyParameter, parameterValues } from "../classes/parameters.ts";
import { InvalidError, NotFoundError } from "../errors.ts";
import type { ParameterValue, Variant } from "../variant.ts";
import type { Callee } from "./deployed.ts";

/** What `new` was given as the class takes it; undefined when that is the class as it is. Throws InvalidError for what does not fit. */
export function variantOfGiven({ given = [], options }: Variant, metadata: FunctionHandleMetadata | undefined): Variant | undefined {
  const { classParameterInfo: info, functionName: name = "" } = metadata ?? {};
  const more = options && { options };
  const schema = info?.schema ?? [];
  if (schema.length > 0) {
    const shape = Object.fromEntries(schema.map((spec) => [spec.name, parameterOf(spec, name)]));
    return { parameters: parameterValues(shape, given[0]), ...more };
  }
  if (given.length === 0) return more;
  if (info?.format === Format.PARAM_SERIALIZATION_FORMAT_PROTO) return { args: given, ...more };
  throw new InvalidError(`The class of ${JSON.stringify(name)} declares no parameters, so it can be made from here without any only.`, {
    hint: "In Python, declare them: size: int = modal.parameter(default=3).",
  });
}

/** The class's function as it serves the method. Throws NotFoundError that names those there are. */
export function methodOf(found: Callee, method: string): Callee {
  const methods = found.metadata?.methodHandleMetadata ?? {};
  const metadata = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (metadata) return { ...found, isGenerator: metadata.functionType === FunctionType.GENERATOR };
  const owner = JSON.stringify(found.metadata?.functionName ?? "");
  throw new NotFoundError(
    `The class of ${owner} has no method ${JSON.stringify(method)}; it has: ${Object.keys(methods).join(", ") || "none"}.`,
  );
}

const TYPES = new Map<Type, ParameterValue["type"]>([
  [Type.PARAM_TYPE_STRING, "string"],
  [Type.PARAM_TYPE_INT, "int"],
  [Type.PARAM_TYPE_BOOL, "bool"],
  [Type.PARAM_TYPE_BYTES, "bytes"],
]);

function parameterOf({ name, type, hasDefault, defaultOneof, fullType }: ClassParameterSpec, owner: string): AnyParameter {
  const known = TYPES.get(type || (fullType?.baseType ?? Type.PARAM_TYPE_UNSPECIFIED));
  if (known === undefined)
    throw new LydianError(
      "unimplemented",
      `The parameter \`${name}\` of ${JSON.stringify(owner)} has a type that cannot be sent from here.`,
    );
  return { type: known, default: defaultOneof.value, hasDefault, values: undefined };
}
