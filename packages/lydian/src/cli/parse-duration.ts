import { UsageError } from "./exit.ts";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "500ms", "60s", "5m", "1.5h", "1d" in milliseconds. `what` names the flag in the error. */
export function parseDuration(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = match?.[2] === undefined ? undefined : UNITS[match[2]];
  if (!match || unit === undefined)
    throw new UsageError(`${what} is a duration, not "${text}"`, 'A number and a unit: "500ms", "60s", "5m", "1h", "1d"');
  return Number(match[1]) * unit;
}
