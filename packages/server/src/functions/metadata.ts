import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  DataFormat,
  type FunctionDataSchema,
  type Function as FunctionDefinition,
  type FunctionHandleMetadataSchema,
  type FunctionPrecreateRequest,
  Function_FunctionType as FunctionType,
  type MethodDefinition,
} from "@lydian/protocol";
import type { CalledFunction } from "../calls/functions-port.ts";
import { MAX_INLINE_BYTES } from "../calls/functions-port.ts";
import { OUR_RUNTIME } from "./refusals.ts";

/** Of definitions of our own runtime that name none. */
const OUR_FORMATS = [DataFormat.CBOR, DataFormat.CBOR_TS];
/** Of all others: clients that name no formats are of a time when there was but one. */
const FIRST_FORMATS = [DataFormat.PICKLE];

type Metadata = MessageInitShape<typeof FunctionHandleMetadataSchema>;
type Described = Pick<
  FunctionPrecreateRequest,
  "functionName" | "functionType" | "functionSchema" | "methodDefinitions" | "supportedInputFormats" | "supportedOutputFormats"
> & { readonly runtime?: string };

/** What a caller must know of a function. */
export function handleMetadata(fn: Pick<CalledFunction, "name" | "appId" | "definition" | "definitionId">, baseId = ""): Metadata {
  const { definition } = fn;
  return {
    ...describedMetadata(definition, fn.appId),
    functionName: fn.name,
    webUrl: definition.webUrl,
    definitionId: fn.definitionId,
    isMethod: definition.isMethod,
    baseFunctionId: baseId,
    ...(definition.classParameterInfo && { classParameterInfo: definition.classParameterInfo }),
  };
}

/** What is known when only the id is reserved. */
export function describedMetadata(fn: Described, appId: string): Metadata {
  const methods = Object.entries(fn.methodDefinitions);
  return {
    functionName: fn.functionName,
    functionType: fn.functionType || FunctionType.FUNCTION,
    appId,
    ...(fn.functionSchema && { functionSchema: fn.functionSchema }),
    ...formatsOf({
      // A class speaks what its methods do.
      supportedInputFormats: namedBy([fn, ...methods.map(([, method]) => method)], "supportedInputFormats"),
      supportedOutputFormats: namedBy([fn, ...methods.map(([, method]) => method)], "supportedOutputFormats"),
      runtime: fn.runtime,
    }),
    ...SIZES,
    methodHandleMetadata: Object.fromEntries(methods.map(([name, method]) => [name, methodMetadata(name, method, fn, appId)])),
  };
}

const SIZES = { maxObjectSizeBytes: BigInt(MAX_INLINE_BYTES), maxAsyncObjectSizeBytes: BigInt(MAX_INLINE_BYTES) };

function methodMetadata(name: string, method: MethodDefinition, fn: Described, appId: string): Metadata {
  const { input, output } = { input: method.supportedInputFormats, output: method.supportedOutputFormats };
  return {
    functionName: method.functionName || `${fn.functionName.replace(/\.\*$/, "")}.${name}`,
    functionType: method.functionType || FunctionType.FUNCTION,
    appId,
    isMethod: true,
    useMethodName: name,
    webUrl: method.webUrl,
    ...(method.functionSchema && { functionSchema: method.functionSchema }),
    ...formatsOf({
      supportedInputFormats: input.length > 0 ? input : fn.supportedInputFormats,
      supportedOutputFormats: output.length > 0 ? output : fn.supportedOutputFormats,
      runtime: fn.runtime,
    }),
    ...SIZES,
  };
}

/** The list of the first that has one. */
const namedBy = (all: readonly Formats[], list: keyof Formats): DataFormat[] => all.find((each) => each[list].length > 0)?.[list] ?? [];
function formatsOf({ supportedInputFormats: input, supportedOutputFormats: output, runtime }: FormatLists) {
  const unnamed = runtime === OUR_RUNTIME ? OUR_FORMATS : FIRST_FORMATS;
  return { supportedInputFormats: input.length > 0 ? input : unnamed, supportedOutputFormats: output.length > 0 ? output : unnamed };
}
type Formats = Pick<FunctionDefinition, "supportedInputFormats" | "supportedOutputFormats">;
type FormatLists = Formats & { readonly runtime: string | undefined };

/** Current clients read the definition from here and refuse an empty list. */
export function functionData({ definition }: Pick<CalledFunction, "definition">): MessageInitShape<typeof FunctionDataSchema> {
  const { webhookConfig, classParameterInfo, schedule, autoscalerSettings, functionSchema, httpConfig } = definition;
  return {
    moduleName: definition.moduleName,
    functionName: definition.functionName,
    implementationName: definition.implementationName,
    functionType: definition.functionType,
    warmPoolSize: definition.warmPoolSize,
    concurrencyLimit: definition.concurrencyLimit,
    taskIdleTimeoutSecs: definition.taskIdleTimeoutSecs,
    timeoutSecs: definition.timeoutSecs,
    startupTimeoutSecs: definition.startupTimeoutSecs,
    webUrl: definition.webUrl,
    methodDefinitions: definition.methodDefinitions,
    methodDefinitionsSet: definition.methodDefinitionsSet,
    isClass: definition.isClass,
    isMethod: definition.isMethod,
    isServer: definition.isServer,
    untrusted: definition.untrusted,
    experimentalOptions: definition.experimentalOptions,
    supportedInputFormats: definition.supportedInputFormats,
    supportedOutputFormats: definition.supportedOutputFormats,
    ...(webhookConfig && { webhookConfig }),
    ...(classParameterInfo && { classParameterInfo }),
    ...(schedule && { schedule }),
    ...(autoscalerSettings && { autoscalerSettings }),
    ...(functionSchema && { functionSchema }),
    ...(httpConfig && { httpConfig }),
    rankedFunctions: [{ rank: 0, function: definition }],
  };
}
