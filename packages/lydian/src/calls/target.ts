// Ids of what is called. A variant gets its own from the server, the same one for the same parameters and options.
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ClassParameterSetSchema as ClassParameterSet,
  ClassParameterSetSchema,
  CONSTRUCTOR_ARGUMENTS,
  create,
  DataFormat,
  encodePayload,
  type FunctionOptionsSchema,
  ParameterType,
  FunctionBindParamsRequestSchema as RequestSchema,
  toBinary,
} from "@lydian/protocol";
import { parameterValues } from "../classes/parameters.ts";
import { currentClient } from "../client.ts";
import { InvalidError, typedError } from "../errors.ts";
import type { CallTarget } from "../function-handle.ts";
import { resolveOptions } from "../options.ts";
import { functionId } from "../session.ts";
import type { ParameterValue, Variant, VariantOptions } from "../variant.ts";
import { type CallMade, type CallRequest, makeCall } from "./batcher.ts";
import { type Callee, deployedFunction, forgetIfGone, methodOf } from "./deployed.ts";
import { PARAMETER_TYPES } from "./parameter-types.ts";

const MAX_BOUND = 1_000;
/** By function and by what is bound, so that instances made anew for each call ask once. The oldest leave at the bound. */
const bound = new Map<string, Promise<string>>();
const requests = new WeakMap<Variant, Uint8Array>();

/** Throws InvalidError when no app runs that has the function, NotFoundError when none is deployed. */
export function callee(target: CallTarget): Callee | Promise<Callee> {
  const { deployed, variant } = target;
  if (deployed === undefined && variant === undefined) return own(functionId(target.name()));
  return variantOf(deployed === undefined ? own(functionId(target.name())) : deployedFunction(deployed), target);
}

const own = (id: string): Callee => ({ functionId: id, format: DataFormat.CBOR_TS });

async function variantOf(base: Callee | Promise<Callee>, { variant, method, deployed }: CallTarget): Promise<Callee> {
  const found = deployed !== undefined && method !== undefined ? methodOf(await base, method) : await base;
  const whole = variant?.given === undefined ? variant : constructed(found, variant, variant.given);
  return whole === undefined ? found : { ...found, functionId: await variantId(found.functionId, whole) };
}

/** What the constructor of a deployed class was given, as the class declares it; `undefined`: nothing that makes a difference. */
function constructed({ shape = {}, format }: Callee, { options }: Variant, given: readonly unknown[]): Variant | undefined {
  const common = options && { options };
  if (Object.keys(shape).length > 0) return { parameters: parameterValues(shape, given[0]), ...common };
  if (given.length === 0) return common;
  if (format === DataFormat.CBOR_TS) return { args: given, ...common };
  throw new InvalidError("The class declares no parameters, so its instances are made with nothing.");
}

type Request = Omit<CallRequest, "functionId">;

/** Makes a call of the target. What was found by name and is gone is looked up once more. */
export async function callTarget(
  target: CallTarget,
  request: (callee: Callee) => Request | Promise<Request>,
): Promise<{ readonly callee: Callee; readonly response: CallMade }> {
  const make = async () => {
    // Waiting for what is there costs a turn, and most calls are of functions of the own app.
    const called = callee(target);
    const found = called instanceof Promise ? await called : called;
    const asked = request(found);
    const whole = asked instanceof Promise ? await asked : asked;
    return { callee: found, response: await makeCall({ functionId: found.functionId, ...whole }) };
  };
  if (target.deployed === undefined) return make();
  try {
    return await make();
  } catch (error) {
    if (forgetIfGone(target.deployed, error)) return make();
    throw error;
  }
}

function variantId(baseId: string, variant: Variant): Promise<string> {
  let request = requests.get(variant);
  if (request === undefined) {
    request = toBinary(RequestSchema, create(RequestSchema, wireVariant(variant)));
    requests.set(variant, request);
  }
  const key = `${baseId} ${Buffer.from(request).toString("base64")}`;
  const known = bound.get(key);
  if (known !== undefined) return known;
  const id = bind(baseId, variant).catch((error: unknown) => {
    bound.delete(key);
    throw typedError(error);
  });
  bound.set(key, id);
  if (bound.size > MAX_BOUND) for (const oldest of bound.keys()) if (bound.delete(oldest)) break;
  return id;
}

async function bind(baseId: string, variant: Variant): Promise<string> {
  const { boundFunctionId } = await currentClient().modal.functionBindParams({ functionId: baseId, ...wireVariant(variant) });
  return boundFunctionId;
}

function wireVariant({ parameters, args, options }: Variant) {
  const set = parameters ? parameters.map(wireParameter) : args ? [constructorArguments(args)] : undefined;
  return {
    ...(set && { serializedParams: toBinary(ClassParameterSetSchema, create(ClassParameterSetSchema, { parameters: set })) }),
    ...(options && { functionOptions: wireOptions(options) }),
  };
}

type Parameter = NonNullable<MessageInitShape<typeof ClassParameterSet>["parameters"]>[number];

function wireParameter({ name, type, value }: ParameterValue): Parameter {
  return { name, type: PARAMETER_TYPES[type], valueOneof: wireValue(value) };
}

function wireValue(value: ParameterValue["value"]) {
  switch (typeof value) {
    case "string":
      return { case: "stringValue", value } as const;
    case "boolean":
      return { case: "boolValue", value } as const;
    case "object":
      return { case: "bytesValue", value } as const;
    default:
      return { case: "intValue", value: BigInt(value) } as const;
  }
}

function constructorArguments(args: readonly unknown[]): Parameter {
  const value = encodePayload(args, { rich: true });
  return { name: CONSTRUCTOR_ARGUMENTS, type: ParameterType.PARAM_TYPE_BYTES, valueOneof: { case: "bytesValue", value } };
}

/** Only what was given: the rest is inherited. */
function wireOptions(options: VariantOptions): MessageInitShape<typeof FunctionOptionsSchema> {
  const resolved = resolveOptions(options);
  const given = (name: keyof VariantOptions) => options[name] !== undefined;
  const { retries, batch } = resolved;
  return {
    ...((given("cpu") || given("memory") || given("ephemeralDisk")) && {
      resources: {
        milliCpu: resolved.milliCpu,
        milliCpuMax: resolved.milliCpuMax,
        memoryMb: resolved.memoryMiB,
        memoryMbMax: resolved.memoryMaxMiB,
        ephemeralDiskMb: resolved.diskMiB,
      },
    }),
    ...(given("timeout") && { timeoutSecs: resolved.timeoutSeconds }),
    ...(given("retries") && {
      retryPolicy: retries
        ? {
            retries: retries.maxRetries,
            initialDelayMs: retries.initialDelayMs,
            maxDelayMs: retries.maxDelayMs,
            backoffCoefficient: retries.backoffCoefficient,
          }
        : {},
    }),
    ...(given("concurrent") && { maxConcurrentInputs: resolved.maxConcurrentInputs }),
    ...(batch && { batchMaxSize: batch.maxSize, batchLingerMs: BigInt(batch.waitMs) }),
    ...(given("minContainers") && { warmPoolSize: resolved.minContainers }),
    ...(given("maxContainers") && { concurrencyLimit: resolved.maxContainers }),
    ...(given("bufferContainers") && { bufferContainers: resolved.bufferContainers }),
    ...(given("scaledownWindow") && { taskIdleTimeoutSecs: resolved.scaledownSeconds }),
  };
}
