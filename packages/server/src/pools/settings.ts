import type { Function as FunctionDefinition } from "@lydian/protocol";
import type { Limits } from "@lydian/containers";
import type { PoolSettings } from "./policy.ts";

const DEFAULT_MAX_CONTAINERS = 100;
const DEFAULT_SCALEDOWN_SECONDS = 60;
const DEFAULT_STARTUP_SECONDS = 300;

export function poolSettings(definition: FunctionDefinition): PoolSettings {
  const { autoscalerSettings: auto } = definition;
  return {
    slots: Math.max(1, definition.maxConcurrentInputs),
    minContainers: auto?.minContainers ?? definition.warmPoolSize,
    maxContainers: auto?.maxContainers || definition.concurrencyLimit || DEFAULT_MAX_CONTAINERS,
    bufferContainers: auto?.bufferContainers ?? 0,
    scaledownWindowMs: (auto?.scaledownWindow ?? (definition.taskIdleTimeoutSecs || DEFAULT_SCALEDOWN_SECONDS)) * 1000,
  };
}

export const startupLimitMs = (definition: FunctionDefinition): number => (definition.startupTimeoutSecs || DEFAULT_STARTUP_SECONDS) * 1000;

/** A request is a share, a limit is a bound; where only a request is given for memory, it is the bound. */
export function containerLimits({ resources }: FunctionDefinition): Limits {
  const cpu = (resources?.milliCpuMax || resources?.milliCpu || 0) / 1000;
  const memoryMiB = resources?.memoryMbMax || resources?.memoryMb || 0;
  const diskMiB = resources?.ephemeralDiskMb ?? 0;
  return { ...(cpu > 0 ? { cpu } : {}), ...(memoryMiB > 0 ? { memoryMiB } : {}), ...(diskMiB > 0 ? { diskMiB } : {}) };
}
