import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  DataFormat,
  Function_DefinitionType as DefinitionType,
  type FunctionSchema$,
  Function_FunctionType as FunctionType,
  type ScheduleSchema,
} from "@lydian/protocol";
import { type FunctionOptions, type ResolvedFunctionOptions, resolveOptions } from "../options.ts";
import { classDefinition, type Served, servedName } from "./create-classes.ts";

export interface FunctionParts {
  readonly appName: string;
  readonly entry: string;
  readonly imageId: string;
  readonly mountIds: readonly string[];
  readonly secretIds: readonly string[];
}

const FORMATS = [DataFormat.CBOR, DataFormat.CBOR_TS];

/** A registration as the wire has it. */
export function functionDefinition(fn: Served, parts: FunctionParts): MessageInitShape<typeof FunctionSchema$> {
  const options = resolveOptions(fn.options as FunctionOptions);
  return {
    runtime: "lydian-node",
    moduleName: parts.entry,
    functionName: servedName(fn),
    implementationName: servedName(fn),
    appName: parts.appName,
    definitionType: DefinitionType.FILE,
    functionType: fn.kind === "function" && fn.isGenerator ? FunctionType.GENERATOR : FunctionType.FUNCTION,
    imageId: parts.imageId,
    mountIds: [...parts.mountIds],
    secretIds: [...parts.secretIds],
    resources: {
      milliCpu: options.milliCpu,
      milliCpuMax: options.milliCpuMax,
      memoryMb: options.memoryMiB,
      memoryMbMax: options.memoryMaxMiB,
      ephemeralDiskMb: options.diskMiB,
    },
    timeoutSecs: options.timeoutSeconds,
    startupTimeoutSecs: options.startupTimeoutSeconds,
    maxConcurrentInputs: options.maxConcurrentInputs,
    // A target counts inputs: one of batches would have a container for each input.
    targetConcurrentInputs: options.batch ? 0 : options.maxConcurrentInputs,
    singleUseContainers: options.singleUseContainers,
    maxInputs: options.singleUseContainers ? 1 : 0,
    blockNetwork: options.blockNetwork,
    supportedInputFormats: FORMATS,
    supportedOutputFormats: FORMATS,
    ...(fn.kind === "class" && classDefinition(fn, FORMATS)),
    ...(options.batch && { batchMaxSize: options.batch.maxSize, batchLingerMs: BigInt(options.batch.waitMs) }),
    ...retryPolicy(options),
    ...scaling(options),
    ...schedule(options),
  };
}

function retryPolicy({ retries }: ResolvedFunctionOptions) {
  if (!retries) return {};
  const { maxRetries, initialDelayMs, maxDelayMs, backoffCoefficient } = retries;
  return { retryPolicy: { retries: maxRetries, initialDelayMs, maxDelayMs, backoffCoefficient } };
}

function schedule({ schedule }: ResolvedFunctionOptions): { schedule?: MessageInitShape<typeof ScheduleSchema> } {
  if (!schedule) return {};
  if (schedule.kind === "period") return { schedule: { scheduleOneof: { case: "period", value: schedule.parts } } };
  const { expression, timezone } = schedule;
  return { schedule: { scheduleOneof: { case: "cron", value: { cronString: expression, timezone } } } };
}

/** Older servers read the fields of their time, so both are filled. */
function scaling({ minContainers, maxContainers, bufferContainers, scaledownSeconds }: ResolvedFunctionOptions) {
  return {
    warmPoolSize: minContainers,
    concurrencyLimit: maxContainers,
    taskIdleTimeoutSecs: scaledownSeconds,
    autoscalerSettings: {
      minContainers,
      bufferContainers,
      scaledownWindow: scaledownSeconds,
      ...(maxContainers > 0 ? { maxContainers } : {}),
    },
  };
}
