// What follows an attempt: a pure decision.
//
//                        ┌── lost, bounded ──┐
//                        ▼                   │
//   (acknowledged) → queued ──taken──→ running ──answered──→ done
//                        ▲                   │
//                        └──due── waiting ◄──┘ failed or timed out, retries left
//
// Cancelling leads from every state to done.

/** Counters of an input that survive a restart. */
export interface AttemptCounters {
  /** Attempts that the user's code failed, or that timed out. */
  readonly failures: number;
  /** Attempts that ended because their container did. */
  readonly losses: number;
}

export interface RetryRules {
  readonly retries: number;
  readonly initialDelayMs: number;
  readonly backoffCoefficient: number;
  readonly maxDelayMs: number;
}

export const NO_RETRIES: RetryRules = { retries: 0, initialDelayMs: 1_000, backoffCoefficient: 1, maxDelayMs: 60_000 };

/** An input that was running in this many containers that died is taken for their killer. */
export const MAX_LOSSES = 3;

export type AttemptEnd =
  | { readonly kind: "succeeded" }
  /** `retriable: false` for errors that say so themselves. `afterMs`: the code asked for this delay. */
  | { readonly kind: "failed"; readonly retriable: boolean; readonly afterMs?: number }
  | { readonly kind: "lost" };

export type Decision =
  | { readonly kind: "done" }
  | { readonly kind: "again"; readonly delayMs: number; readonly counters: AttemptCounters };

export function afterAttempt(end: AttemptEnd, counters: AttemptCounters, rules: RetryRules): Decision {
  if (end.kind === "succeeded") return { kind: "done" };
  if (end.kind === "lost") {
    const losses = counters.losses + 1;
    return losses >= MAX_LOSSES ? { kind: "done" } : { kind: "again", delayMs: 0, counters: { ...counters, losses } };
  }
  if (!end.retriable || counters.failures >= rules.retries) return { kind: "done" };
  const failures = counters.failures + 1;
  return { kind: "again", delayMs: end.afterMs ?? backoffMs(failures, rules), counters: { ...counters, failures } };
}

/** Delay before the n-th retry, n from 1. */
export function backoffMs(n: number, { initialDelayMs, backoffCoefficient, maxDelayMs }: RetryRules): number {
  return Math.min(initialDelayMs * backoffCoefficient ** (n - 1), maxDelayMs);
}
