// Classes of an app. On the server one is a name and an id; what it does is the function that serves it.
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ClassParameter,
  type ClassParameterSpecSchema,
  type DataFormat,
  type FunctionSchema$,
  Function_FunctionType as FunctionType,
  ClassParameterInfo_ParameterSerializationFormat as ParameterFormat,
  type RegisteredClass,
  type RegisteredEntrypoint,
  type RegisteredFunction,
  serviceName,
} from "@lydian/protocol";
import type { App } from "../app.ts";
import { PARAMETER_TYPES } from "../calls/parameter-types.ts";
import type { Client } from "../client.ts";

/** What has containers. */
export type Served = RegisteredFunction | RegisteredClass;

export const isServed = (item: Served | RegisteredEntrypoint): item is Served => item.kind !== "entrypoint";

/** Of the function on the server; empty while it has none. */
export const servedName = ({ kind, name }: Served): string => (name === undefined ? "" : kind === "class" ? serviceName(name) : name);

/** Ids by name, for AppPublish. `existing`: those that classes have from an earlier version. */
export async function createClasses(
  app: App,
  appId: string,
  { client, signal }: { readonly client: Client; readonly signal?: AbortSignal },
  existing: Readonly<Record<string, string>> = {},
): Promise<Record<string, string>> {
  const classes = app.registered.filter((item): item is RegisteredClass => item.kind === "class");
  const ids = classes.map(async ({ name = "" }) => {
    const request = { appId, onlyClassFunction: true, existingClassId: existing[name] ?? "" };
    const { classId } = await client.modal.classCreate(request, signal ? { signal } : {});
    return [name, classId] as const;
  });
  return Object.fromEntries(await Promise.all(ids));
}

/** What the definition of a class's function has that of a plain function has not. */
export function classDefinition({ name = "", methods, parameters }: RegisteredClass, formats: DataFormat[]) {
  const definitions = methods.map(
    (method) =>
      [
        method.name,
        {
          functionName: `${name}.${method.name}`,
          functionType: method.isGenerator ? FunctionType.GENERATOR : FunctionType.FUNCTION,
          supportedInputFormats: formats,
          supportedOutputFormats: formats,
        },
      ] as const,
  );
  return {
    isClass: true,
    methodDefinitions: Object.fromEntries(definitions),
    methodDefinitionsSet: true,
    classParameterInfo: {
      format: ParameterFormat.PARAM_SERIALIZATION_FORMAT_PROTO,
      schema: parameters.map(parameterSpec),
    },
  } satisfies MessageInitShape<typeof FunctionSchema$>;
}

function parameterSpec({ name, type, default: value }: ClassParameter): MessageInitShape<typeof ClassParameterSpecSchema> {
  const wireType = PARAMETER_TYPES[type];
  const spec = { name, type: wireType, fullType: { baseType: wireType }, hasDefault: value !== undefined };
  switch (typeof value) {
    case "undefined":
      return spec;
    case "string":
      return { ...spec, defaultOneof: { case: "stringDefault", value } };
    case "boolean":
      return { ...spec, defaultOneof: { case: "boolDefault", value } };
    case "object":
      return { ...spec, defaultOneof: { case: "bytesDefault", value } };
    default:
      return { ...spec, defaultOneof: { case: "intDefault", value: BigInt(value) } };
  }
}
