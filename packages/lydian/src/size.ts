import { InvalidError } from "./errors.ts";

export type SizeUnit = "Mi" | "Gi" | "Ti";

/** "512Mi", "2Gi"; a bare number is MiB. */
export type Size = `${number}${SizeUnit}` | number;

const MIB: Readonly<Record<SizeUnit, number>> = { Mi: 1, Gi: 1_024, Ti: 1_048_576 };

/** In MiB, rounded up. Throws InvalidError, naming what the size is for. */
export function sizeMiB(size: Size, what: string): number {
  const match = typeof size === "string" ? /^(\d+(?:\.\d+)?)(Mi|Gi|Ti)$/.exec(size) : undefined;
  const mib = typeof size === "number" ? size : match ? Number(match[1]) * MIB[match[2] as SizeUnit] : Number.NaN;
  if (Number.isFinite(mib) && mib > 0) return Math.ceil(mib);
  throw new InvalidError(`${what} is ${JSON.stringify(size)}, which is no size: write for example "512Mi", "2Gi", or a number of MiB.`);
}
