// From a function's definition to the numbers that its pool and its containers obey.
import type { Limits } from "@lydian/containers";
import type { Function as FunctionDefinition } from "@lydian/protocol";
import type { PoolBounds } from "./policy.ts";

/** Above this a pool has as many as the machine takes. */
const DEFAULT_MAX_CONTAINERS = 100;
const DEFAULT_SCALEDOWN_SECONDS = 60;
const DEFAULT_STARTUP_SECONDS = 300;

export function boundsOf(definition: FunctionDefinition): PoolBounds {
  const settings = definition.autoscalerSettings;
  const maxContainers = settings?.maxContainers || definition.concurrencyLimit || DEFAULT_MAX_CONTAINERS;
  const scaledownSeconds = settings?.scaledownWindow ?? (definition.taskIdleTimeoutSecs || DEFAULT_SCALEDOWN_SECONDS);
  return {
    minContainers: Math.min(settings?.minContainers ?? definition.warmPoolSize, maxContainers),
    maxContainers,
    bufferContainers: settings?.bufferContainers ?? 0,
    scaledownWindowMs: scaledownSeconds * 1000,
  };
}

/** Inputs a container takes in its life; 0 is no bound. */
export function maxInputsOf(definition: FunctionDefinition): number {
  return definition.singleUseContainers || definition.isBuilderFunction ? 1 : definition.maxInputs;
}

export function startupMsOf(definition: FunctionDefinition): number {
  return (definition.startupTimeoutSecs || DEFAULT_STARTUP_SECONDS) * 1000;
}

/** A memory request is also the limit unless another is given: one container must not take the machine down. */
export function limitsOf(definition: FunctionDefinition): Limits {
  const { milliCpuMax = 0, memoryMbMax = 0, memoryMb = 0, ephemeralDiskMb = 0 } = definition.resources ?? {};
  const memoryMiB = memoryMbMax || memoryMb;
  return {
    ...(milliCpuMax > 0 && { cpu: milliCpuMax / 1000 }),
    ...(memoryMiB > 0 && { memoryMiB }),
    ...(ephemeralDiskMb > 0 && { diskMiB: ephemeralDiskMb }),
  };
}

/** Of a container's writable layer, where the function asks for nothing else. */
const DEFAULT_DISK_MIB = 10_240;

/** Whether a container that was started without limits can be given those of the function: the size of its disk is fixed. */
export function fitsDisk(definition: FunctionDefinition): boolean {
  return (limitsOf(definition).diskMiB ?? DEFAULT_DISK_MIB) === DEFAULT_DISK_MIB;
}
