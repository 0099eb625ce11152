// Functions of deployed apps: their ids, and what they take. Asked for once; again when what was found is gone.
import { DataFormat, type FunctionHandleMetadata, Function_FunctionType as FunctionType, LydianError } from "@lydian/protocol";
import { type Client, currentClient } from "../client.ts";
import { InvalidError, typedError } from "../errors.ts";
import type { DeployedName } from "../function-handle.ts";

/** A function as it can be called. */
export interface Callee {
  readonly functionId: string;
  /** Of arguments: CBOR_TS where one of ours reads them. */
  readonly format: typeof DataFormat.CBOR | typeof DataFormat.CBOR_TS;
  /** Undefined: not known. */
  readonly isGenerator?: boolean;
  /** Of what was found by name. */
  readonly metadata?: FunctionHandleMetadata | undefined;
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

async function lookUp(client: Client, { appName, name, environment }: DeployedName): Promise<Callee> {
  const environmentName = environment ?? client.environment;
  const { functionId, handleMetadata } = await client.modal.functionGet({ appName, objectTag: name, environmentName });
  const formats: readonly DataFormat[] = handleMetadata?.supportedInputFormats ?? [];
  const isGenerator = handleMetadata?.functionType === FunctionType.GENERATOR;
  const found = { functionId, isGenerator, metadata: handleMetadata };
  if (formats.includes(DataFormat.CBOR_TS)) return { ...found, format: DataFormat.CBOR_TS };
  if (formats.includes(DataFormat.CBOR)) return { ...found, format: DataFormat.CBOR };
  const names = formats.map((format) => DataFormat[format] ?? format).join(", ");
  throw new InvalidError(`The function ${JSON.stringify(name)} takes its arguments as ${names}, and only CBOR can be sent from here.`, {
    hint: "Deploy it again with a newer client: Python's sends and takes CBOR from version 1.2 on.",
  });
}
