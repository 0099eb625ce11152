// The `grpc-timeout` header: up to eight digits and a unit.

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const MAX_DIGITS = 99_999_999;

/** Rounds up, so that the server never gives up before the client does. */
export function formatTimeout(timeoutMs: number): string {
  const ms = Math.max(1, Math.ceil(timeoutMs));
  if (ms <= MAX_DIGITS) return `${ms}m`;
  const seconds = Math.ceil(ms / 1000);
  return seconds <= MAX_DIGITS ? `${seconds}S` : `${Math.min(MAX_DIGITS, Math.ceil(seconds / 3600))}H`;
}

/** Milliseconds, or undefined for text that is no timeout. */
export function parseTimeout(header: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header);
  const unit = match?.[2] === undefined ? undefined : UNIT_MS[match[2]];
  return unit === undefined ? undefined : Number(match?.[1]) * unit;
}

/** setTimeout takes at most this; a longer deadline is none in practice. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
