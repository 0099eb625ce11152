// Functions of deployed apps: their ids, and what they take. Asked for once; again when what was found is gone.
import {
  type ClassParameterSpec,
  DataFormat,
  type FunctionHandleMetadata,
  Function_FunctionType as FunctionType,
  LydianError,
} from "@lydian/protocol";
import type { Shape } from "../classes/parameters.ts";
import { type Client, currentClient } from "../client.ts";
import { InvalidError, NotFoundError, typedError } from "../errors.ts";
import type { DeployedName } from "../function-handle.ts";
import { PARAMETER_TYPES } from "./parameter-types.ts";

/** A function as it can be called. */
export interface Callee {
  readonly functionId: string;
  /** Of arguments: CBOR_TS where one of ours reads them. */
  readonly format: typeof DataFormat.CBOR | typeof DataFormat.CBOR_TS;
  /** Undefined: not known. */
  readonly isGenerator?: boolean;
  /** Of a class. */
  readonly methods?: Readonly<Record<string, FunctionHandleMetadata>>;
  readonly shape?: Shape;
}

const MAX_KNOWN = 1_000;
/** The oldest leave at the bound. */
const known = new WeakMap<Client, Map<string, Promise<Callee>>>();

const keyOf = ({ appName, name, environment }: DeployedName): string => JSON.stringify([environment, appName, name]);

/** Throws NotFoundError that names what exists, and InvalidError for a function that takes nothing which can be sent from here. */
export function deployedFunction(name: DeployedName): Promise<Callee> {
  const client = currentClient();
  let ofClient = known.get(client);
  if (!ofClient) {
    ofClient = new Map();
    known.set(client, ofClient);
  }
  const key = keyOf(name);
  const found = ofClient.get(key);
  if (found) return found;
  const all = ofClient;
  const asked = lookUp(client, name).catch((error: unknown) => {
    all.delete(key);
    throw typedError(error);
  });
  all.set(key, asked);
  if (all.size > MAX_KNOWN) for (const oldest of all.keys()) if (all.delete(oldest)) break;
  return asked;
}

/** Whether the error says that what was found is gone, as after the app was stopped and deployed again. Then it is forgotten. */
export function forgetIfGone(name: DeployedName, error: unknown): boolean {
  if (!LydianError.is(error) || (error.code !== "not_found" && error.code !== "failed_precondition")) return false;
  return known.get(currentClient())?.delete(keyOf(name)) ?? false;
}

async function lookUp(client: Client, { appName, name, environment, className }: DeployedName): Promise<Callee> {
  const environmentName = environment ?? client.environment;
  if (className === undefined) {
    const { functionId, handleMetadata } = await client.modal.functionGet({ appName, objectTag: name, environmentName });
    return { functionId, ...takes(handleMetadata, name) };
  }
  const { handleMetadata } = await client.modal.classGet({ appName, objectTag: className, environmentName, onlyClassFunction: true });
  const { classFunctionId: functionId = "", classFunctionMetadata: metadata } = handleMetadata ?? {};
  return {
    functionId,
    ...takes(metadata, className),
    methods: metadata?.methodHandleMetadata ?? {},
    shape: shapeFromWire(metadata?.classParameterInfo?.schema ?? []),
  };
}

/** One method of a class. Throws NotFoundError that names those that there are. */
export function methodOf(found: Callee, method: string): Callee {
  const { methods = {} } = found;
  const metadata = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (metadata) return { ...found, ...takes(metadata, method) };
  throw new NotFoundError(`The class has no method ${JSON.stringify(method)}; it has: ${Object.keys(methods).join(", ") || "none"}.`);
}

function takes(metadata: FunctionHandleMetadata | undefined, name: string): Pick<Callee, "format" | "isGenerator"> {
  const formats: readonly DataFormat[] = metadata?.supportedInputFormats ?? [];
  const isGenerator = metadata?.functionType === FunctionType.GENERATOR;
  if (formats.includes(DataFormat.CBOR_TS)) return { format: DataFormat.CBOR_TS, isGenerator };
  if (formats.includes(DataFormat.CBOR)) return { format: DataFormat.CBOR, isGenerator };
  const names = formats.map((format) => DataFormat[format] ?? format).join(", ");
  throw new InvalidError(`The function ${JSON.stringify(name)} takes its arguments as ${names}, and only CBOR can be sent from here.`, {
    hint: "Deploy it again with a newer client: Python's sends and takes CBOR from version 1.2 on.",
  });
}

/** Throws InvalidError for a parameter of a type that cannot be sent from here. */
function shapeFromWire(specs: readonly ClassParameterSpec[]): Shape {
  const shape: Record<string, Shape[string]> = {};
  for (const { name, type, fullType, hasDefault, defaultOneof } of specs) {
    const wire = fullType?.baseType || type;
    const known = Object.entries(PARAMETER_TYPES).find(([, each]) => each === wire)?.[0] as keyof typeof PARAMETER_TYPES | undefined;
    if (known === undefined) throw new InvalidError(`The parameter ${JSON.stringify(name)} is of a type that cannot be sent from here.`);
    shape[name] = { type: known, hasDefault, default: hasDefault ? defaultOneof.value : undefined, values: undefined };
  }
  return shape;
}
