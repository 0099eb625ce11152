// What calls and pools need to know of functions and apps, so that neither depends on how those are kept.
import type { Function as FunctionDefinition } from "@lydian/protocol";
import type { RetryPolicy } from "./retry-policy.ts";

export interface CalledFunction {
  readonly id: string;
  readonly appId: string;
  readonly workspaceId: string;
  readonly environmentId: string;
  readonly name: string;
  /** The wire's message, as the client sent it; of a variant with its options applied. */
  readonly definition: FunctionDefinition;
  /** Another one means that the function was defined anew: what runs an earlier one serves nothing more. */
  readonly definitionId: string;
  /** The constructor's arguments of the class instance that a variant stands for; empty for everything else. */
  readonly params: Uint8Array;
}

export interface FunctionsPort {
  get(functionId: string): CalledFunction | undefined;
}

export interface AppsPort {
  /** Whether calls of the app's functions are taken. */
  isLive(appId: string): boolean;
}

/** What may travel inside a message. More goes through a blob. */
export const MAX_INLINE_BYTES = 32 << 20;
const DEFAULT_TIMEOUT_SECONDS = 300;

export function timeoutMsOf(definition: FunctionDefinition): number {
  return (definition.timeoutSecs || DEFAULT_TIMEOUT_SECONDS) * 1000;
}

export function retryPolicyOf(definition: FunctionDefinition): RetryPolicy | undefined {
  const policy = definition.retryPolicy;
  if (policy === undefined || policy.retries === 0) return undefined;
  const { retries, initialDelayMs, backoffCoefficient, maxDelayMs } = policy;
  return { retries, initialDelayMs, backoffCoefficient, maxDelayMs };
}

/** Inputs one container runs at once: what the pool plans with, and the most a container may be given. */
export function slotsOf(definition: FunctionDefinition): { readonly target: number; readonly max: number } {
  const batch = Math.max(1, definition.batchMaxSize);
  const most = Math.max(1, definition.maxConcurrentInputs);
  const target = definition.targetConcurrentInputs || definition.autoscalerSettings?.targetConcurrency || most;
  return { target: Math.min(target, most) * batch, max: most * batch };
}
