import { InvalidError } from "./errors.ts";
import { showValue } from "./show-value.ts";

export type DurationUnit = "ms" | "s" | "m" | "h" | "d";

/** "30s", "5m", "1.5h"; a bare number is milliseconds. */
export type Duration = `${number}${DurationUnit}` | number;

const MS: Readonly<Record<DurationUnit, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Throws InvalidError, naming what the duration is for. */
export function durationMs(duration: Duration, what: string): number {
  const match = typeof duration === "string" ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : undefined;
  const ms = typeof duration === "number" ? duration : match ? Number(match[1]) * MS[match[2] as DurationUnit] : Number.NaN;
  if (Number.isFinite(ms) && ms >= 0) return ms;
  throw new InvalidError(
    `${what} is ${showValue(duration)}, which is no duration: write for example "500ms", "30s", "5m", "2h", or a number of milliseconds.`,
  );
}
