import { type Function as FunctionDefinition, Function_FunctionType, type FunctionRetryPolicy } from "@lydian/protocol";
import { NO_RETRIES, type RetryRules } from "./attempt.ts";

const DEFAULT_TIMEOUT_SECONDS = 300;

/** Per attempt. */
export const timeoutMsOf = (definition: FunctionDefinition): number => (definition.timeoutSecs || DEFAULT_TIMEOUT_SECONDS) * 1000;

/** A generator's values may have reached the caller already, so it is never run again. */
export function retryRulesOf(definition: FunctionDefinition): RetryRules {
  const policy: FunctionRetryPolicy | undefined = definition.retryPolicy;
  if (!policy || definition.functionType === Function_FunctionType.GENERATOR) return NO_RETRIES;
  return {
    retries: policy.retries,
    initialDelayMs: policy.initialDelayMs,
    backoffCoefficient: policy.backoffCoefficient || 1,
    maxDelayMs: policy.maxDelayMs || 60_000,
  };
}
