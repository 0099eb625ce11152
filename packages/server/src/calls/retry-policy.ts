// What follows an attempt that did not succeed. Pure: who failed, how often before, and what the function allows.

export interface RetryPolicy {
  /** Retries after the first attempt. */
  readonly retries: number;
  readonly initialDelayMs: number;
  readonly backoffCoefficient: number;
  readonly maxDelayMs: number;
}

export type AttemptEnd =
  /** The user's code threw, ran too long, or was killed for its memory. */
  | { readonly kind: "failure"; readonly propagationReason: string }
  /** It was cancelled. */
  | { readonly kind: "terminated" }
  /** Its container ended under it and nobody knows why: perhaps because of this input. */
  | { readonly kind: "lost" }
  /** Its container was stopped on purpose, for a reason that has nothing to do with it. */
  | { readonly kind: "displaced" };

export interface AttemptHistory {
  /** Before this one. */
  readonly failures: number;
  /** Before this one. */
  readonly losses: number;
  /** Whether a consumer may have seen part of the result. */
  readonly yielded: boolean;
}

export type AfterAttempt =
  | { readonly next: "final" }
  /** `charged` says which of the two counters the attempt adds to. */
  | { readonly next: "retry"; readonly delayMs: number; readonly charged: "failure" | "loss" | "nothing" };

/** An input that was running in this many lost containers is taken for the cause. */
export const MAX_LOSSES = 3;
const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1000;
const FINAL = { next: "final" } as const;

/**
 * How the thrower's wish travels in `propagation_reason`: "non-retriable" ends the input, "retry-after:<ms>" sets the delay of
 * the next retry that the policy allows.
 */
export function afterAttempt(end: AttemptEnd, history: AttemptHistory, policy: RetryPolicy | undefined): AfterAttempt {
  if (end.kind === "terminated" || history.yielded) return FINAL;
  if (end.kind === "displaced") return { next: "retry", delayMs: 0, charged: "nothing" };
  if (end.kind === "lost") return history.losses + 1 >= MAX_LOSSES ? FINAL : { next: "retry", delayMs: 0, charged: "loss" };
  const failures = history.failures + 1;
  if (policy === undefined || failures > policy.retries || end.propagationReason === "non-retriable") return FINAL;
  return { next: "retry", delayMs: wishedDelayMs(end.propagationReason) ?? retryDelayMs(failures, policy), charged: "failure" };
}

/** Before retry `n`, from 1: initial · coefficient^(n-1), at most the maximum. */
export function retryDelayMs(n: number, policy: RetryPolicy): number {
  const coefficient = policy.backoffCoefficient > 0 ? policy.backoffCoefficient : 1;
  const delayMs = policy.initialDelayMs * coefficient ** (n - 1);
  return Math.round(policy.maxDelayMs > 0 ? Math.min(policy.maxDelayMs, delayMs) : Math.min(MAX_RETRY_AFTER_MS, delayMs));
}

function wishedDelayMs(propagationReason: string): number | undefined {
  const wish = /^retry-after:(\d{1,12})$/.exec(propagationReason);
  return wish === null ? undefined : Math.min(MAX_RETRY_AFTER_MS, Number(wish[1]));
}
