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

/** Of definitions that name none: those are of our own clients. */
const FORMATS = [DataFormat.CBOR, DataFormat.CBOR_TS];

type Metadata = MessageInitShape<typeof FunctionHandleMetadataSchema>;
type Described = Pick<
  FunctionPrecreateRequest,
  "functionName" | "functionType" | "functionSchema" | "methodDefinitions" | "supportedInputFormats" | "supportedOutputFormats"
>;

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
  return {
    functionName: fn.functionName,
    functionType: fn.functionType || FunctionType.FUNCTION,
    appId,
    ...(fn.functionSchema && { functionSchema: fn.functionSchema }),
    ...formatsOf(fn),
    ...SIZES,
    methodHandleMetadata: Object.fromEntries(
      Object.entries(fn.methodDefinitions).map(([name, method]) => [name, methodMetadata(name, method, fn, appId)]),
    ),
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
    }),
    ...SIZES,
  };
}

const formatsOf = ({ supportedInputFormats: input, supportedOutputFormats: output }: FormatLists) => ({
  supportedInputFormats: input.length > 0 ? input : FORMATS,
  supportedOutputFormats: output.length > 0 ? output : FORMATS,
});
type FormatLists = Pick<FunctionDefinition, "supportedInputFormats" | "supportedOutputFormats">;

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
