import { InvalidError } from "./errors.ts";
import { showValue } from "./show-value.ts";

export type SizeUnit = "Mi" | "Gi" | "Ti";

/** "512Mi", "2Gi"; a bare number is MiB. */
export type Size = `${number}${SizeUnit}` | number;

const MIB: Readonly<Record<SizeUnit, number>> = { Mi: 1, Gi: 1_024, Ti: 1_048_576 };
/** The wire has 32 bits for it. */
const MAX_MIB = 1_024 * MIB.Ti;

/** In MiB, rounded up. Throws InvalidError, naming what the size is for. */
export function sizeMiB(size: Size, what: string): number {
  const match = typeof size === "string" ? /^(\d+(?:\.\d+)?)(Mi|Gi|Ti)$/.exec(size) : undefined;
  const mib = typeof size === "number" ? size : match ? Number(match[1]) * MIB[match[2] as SizeUnit] : Number.NaN;
  if (mib > 0 && mib <= MAX_MIB) return Math.ceil(mib);
  if (mib > MAX_MIB && Number.isFinite(mib)) throw new InvalidError(`${what} is ${showValue(size)}; at most 1024Ti can be asked for.`);
  throw new InvalidError(`${what} is ${showValue(size)}, which is no size: write for example "512Mi", "2Gi", or a number of MiB.`);
}
