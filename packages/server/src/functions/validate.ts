import { type AutoscalerSettings, DataFormat, type Function as FunctionDefinition, LydianError } from "@lydian/protocol";
import { checkSchedule } from "../schedules/check-schedule.ts";
import { OUR_RUNTIME, refuseUnserved } from "./refusals.ts";

/** A class's functions are served by one, named "Class.*". */
const NAME = /^[\p{L}\p{N}_.$*<>-]{1,128}$/u;
const DAY_SECONDS = 86_400;
const MAX_MILLI_CPU = 1_024_000;
const MIN_MIB = 16;
const MAX_MIB = 16_777_216;
const MAX_MOUNTS = 64;
const MAX_BATCH = 1000;
const MAX_BATCH_LINGER_MS = 10 * 60 * 1000;
const FORMATS: ReadonlySet<DataFormat> = new Set([DataFormat.CBOR, DataFormat.CBOR_TS]);

interface Bound {
  readonly what: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

export function checkName(name: string): void {
  if (!NAME.test(name))
    throw new LydianError(
      "invalid_argument",
      `${JSON.stringify(name.slice(0, 200))} is not a name of a function: 1 to 128 letters, digits, or any of "_.$-*<>".`,
    );
}

/** Throws what is wrong with it, naming the value, the rule and the way out. */
export function validateDefinition(definition: FunctionDefinition): void {
  checkName(definition.functionName);
  refuseUnserved(definition);
  checkParts(definition);
  for (const { what, value, min, max } of boundsOf(definition)) {
    if (value >= min && value <= max) continue;
    throw invalid(definition, `has ${what} ${value}; it must be from ${min} to ${max}.`);
  }
  checkOrder(definition);
  checkSchedule(definition.schedule, definition.functionName);
}

/** Zero is "not given" on the wire: the default is checked in its place, and passes. */
function boundsOf({ resources, autoscalerSettings: auto, retryPolicy, ...definition }: FunctionDefinition): Bound[] {
  return [
    { what: "timeout (s)", value: definition.timeoutSecs || 300, min: 1, max: DAY_SECONDS },
    { what: "startup timeout (s)", value: definition.startupTimeoutSecs || 300, min: 1, max: DAY_SECONDS },
    { what: "cpu request (thousandths of a core)", value: resources?.milliCpu ?? 0, min: 0, max: MAX_MILLI_CPU },
    { what: "cpu limit (thousandths of a core)", value: resources?.milliCpuMax ?? 0, min: 0, max: MAX_MILLI_CPU },
    { what: "memory request (MiB)", value: resources?.memoryMb || MIN_MIB, min: MIN_MIB, max: MAX_MIB },
    { what: "memory limit (MiB)", value: resources?.memoryMbMax || MIN_MIB, min: MIN_MIB, max: MAX_MIB },
    { what: "ephemeral disk (MiB)", value: resources?.ephemeralDiskMb || MIN_MIB, min: MIN_MIB, max: MAX_MIB },
    { what: "concurrent inputs", value: definition.maxConcurrentInputs, min: 0, max: 10_000 },
    { what: "inputs per batch", value: definition.batchMaxSize, min: 0, max: MAX_BATCH },
    { what: "batch wait (ms)", value: Number(definition.batchLingerMs), min: 0, max: MAX_BATCH_LINGER_MS },
    { what: "inputs per container", value: definition.maxInputs, min: 0, max: 1_000_000 },
    { what: "retries", value: retryPolicy?.retries ?? 0, min: 0, max: 100 },
    { what: "first retry delay (ms)", value: retryPolicy?.initialDelayMs ?? 0, min: 0, max: DAY_SECONDS * 1000 },
    { what: "longest retry delay (ms)", value: retryPolicy?.maxDelayMs ?? 0, min: 0, max: DAY_SECONDS * 1000 },
    { what: "back-off coefficient", value: retryPolicy?.backoffCoefficient || 1, min: 1, max: 10 },
    { what: "min containers", value: minContainersOf(auto, definition.warmPoolSize), min: 0, max: 10_000 },
    { what: "max containers", value: auto?.maxContainers || definition.concurrencyLimit || 1, min: 1, max: 10_000 },
    { what: "buffer containers", value: auto?.bufferContainers ?? 0, min: 0, max: 10_000 },
    { what: "scaledown window (s)", value: auto?.scaledownWindow ?? definition.taskIdleTimeoutSecs, min: 0, max: DAY_SECONDS },
  ];
}

function checkParts(definition: FunctionDefinition): void {
  if (definition.imageId === "") throw invalid(definition, "names no image; give it the id of one that was built.");
  const isOurs = definition.runtime === OUR_RUNTIME;
  if (isOurs && !definition.moduleName.startsWith("/")) {
    const value = JSON.stringify(definition.moduleName.slice(0, 200));
    throw invalid(definition, `has the module ${value}; it must be the absolute path of a file in the container.`);
  }
  if (definition.mountIds.length > MAX_MOUNTS) {
    throw invalid(definition, `has ${definition.mountIds.length} mounts; it may have ${MAX_MOUNTS}. Put more files into fewer mounts.`);
  }
  if (!isOurs) return;
  for (const formats of [definition.supportedInputFormats, definition.supportedOutputFormats]) {
    if (formats.length === 0 || formats.some((format) => FORMATS.has(format))) continue;
    throw invalid(definition, `speaks only the data formats ${formats.join(", ")}; TypeScript functions speak CBOR (4, 1001).`);
  }
}

function checkOrder(definition: FunctionDefinition): void {
  const { resources, autoscalerSettings: auto } = definition;
  const pairs = [
    { what: "containers", least: minContainersOf(auto, definition.warmPoolSize), most: auto?.maxContainers || definition.concurrencyLimit },
    { what: "MiB of memory", least: resources?.memoryMb ?? 0, most: resources?.memoryMbMax ?? 0 },
    { what: "thousandths of a core", least: resources?.milliCpu ?? 0, most: resources?.milliCpuMax ?? 0 },
    { what: "concurrent inputs", least: definition.targetConcurrentInputs, most: definition.maxConcurrentInputs },
  ];
  for (const { what, least, most } of pairs) {
    if (most === 0 || least <= most) continue;
    throw invalid(definition, `wants at least ${least} and at most ${most} ${what}: lower the one or raise the other.`);
  }
}

const minContainersOf = (settings: AutoscalerSettings | undefined, legacy: number): number => settings?.minContainers ?? legacy;

const invalid = ({ functionName }: FunctionDefinition, what: string) =>
  new LydianError("invalid_argument", `The function ${JSON.stringify(functionName)} ${what}`);
