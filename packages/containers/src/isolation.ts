// Which level of isolation a container gets.
import { ISOLATIONS, type Isolation } from "./host.ts";

const rank = (level: Isolation): number => ISOLATIONS.indexOf(level);

/** The weakest of those offered that is at least the one wanted. Undefined: there is none. */
export function atLeast(wanted: Isolation | undefined, offered: readonly Isolation[]): Isolation | undefined {
  return offered.find((each) => wanted === undefined || rank(each) >= rank(wanted));
}

/** Those offered that are not weaker than what is demanded. Throws a sentence when there is none; `reasons`: why others are not offered. */
export function demand(
  least: Isolation | undefined,
  offered: readonly Isolation[],
  reasons: Readonly<Partial<Record<Isolation, string>>>,
): readonly Isolation[] {
  const left = offered.filter((each) => least === undefined || rank(each) >= rank(least));
  if (left.length > 0 || least === undefined) return left;
  const why = reasons[least] ?? "";
  throw new Error(
    `The isolation ${JSON.stringify(least)} is demanded, and this machine offers ${offered.join(", ") || "none"} only. ${why}`.trim(),
  );
}
