import { type Function as FunctionDefinition, LydianError } from "@lydian/protocol";
import { refuseUnserved } from "./refusals.ts";

const NAME = /^[A-Za-z0-9_.$-]{1,128}$/;
const DAY_SECONDS = 86_400;

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
      `${JSON.stringify(name.slice(0, 200))} is not a name of a function: 1 to 128 letters, digits, or any of "_.$-".`,
    );
}

/** Throws what is wrong with it, naming the value, the rule and the way out. */
export function validateDefinition(definition: FunctionDefinition): void {
  checkName(definition.functionName);
  refuseUnserved(definition);
  const { resources, autoscalerSettings: auto, retryPolicy, functionName: name } = definition;
  const bounds: Bound[] = [
    { what: "timeout (s)", value: definition.timeoutSecs || 300, min: 1, max: DAY_SECONDS },
    { what: "startup timeout (s)", value: definition.startupTimeoutSecs || 300, min: 1, max: DAY_SECONDS },
    { what: "cpu (thousandths of a core)", value: Math.max(resources?.milliCpu ?? 0, resources?.milliCpuMax ?? 0), min: 0, max: 1_024_000 },
    { what: "memory (MiB)", value: resources?.memoryMbMax || resources?.memoryMb || 64, min: 16, max: 16_777_216 },
    { what: "ephemeral disk (MiB)", value: resources?.ephemeralDiskMb || 64, min: 16, max: 16_777_216 },
    { what: "concurrent inputs", value: definition.maxConcurrentInputs, min: 0, max: 10_000 },
    { what: "retries", value: retryPolicy?.retries ?? 0, min: 0, max: 100 },
    { what: "first retry delay (ms)", value: retryPolicy?.initialDelayMs ?? 0, min: 0, max: DAY_SECONDS * 1000 },
    { what: "back-off coefficient", value: retryPolicy?.backoffCoefficient || 1, min: 1, max: 10 },
    { what: "min containers", value: auto?.minContainers ?? definition.warmPoolSize, min: 0, max: 10_000 },
    { what: "max containers", value: auto?.maxContainers || definition.concurrencyLimit || 1, min: 1, max: 10_000 },
    { what: "buffer containers", value: auto?.bufferContainers ?? 0, min: 0, max: 10_000 },
    { what: "scaledown window (s)", value: auto?.scaledownWindow ?? 1, min: 0, max: DAY_SECONDS },
  ];
  for (const { what, value, min, max } of bounds) {
    if (value >= min && value <= max) continue;
    throw new LydianError(
      "invalid_argument",
      `The function ${JSON.stringify(name)} has ${what} ${value}; it must be from ${min} to ${max}.`,
    );
  }
  const pairs = [
    ["cpu", resources?.milliCpu ?? 0, resources?.milliCpuMax ?? 0],
    ["memory", resources?.memoryMb ?? 0, resources?.memoryMbMax ?? 0],
  ] as const;
  for (const [what, request, limit] of pairs) {
    if (limit === 0 || request <= limit) continue;
    throw new LydianError(
      "invalid_argument",
      `The function ${JSON.stringify(name)} requests ${what} ${request} and limits it to ${limit}: the limit must not be below the request.`,
    );
  }
  const [min, max] = [auto?.minContainers ?? definition.warmPoolSize, auto?.maxContainers || definition.concurrencyLimit];
  if (max > 0 && min > max)
    throw new LydianError(
      "invalid_argument",
      `The function ${JSON.stringify(name)} wants at least ${min} and at most ${max} containers: lower the one or raise the other.`,
    );
}
