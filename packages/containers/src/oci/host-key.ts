import { createHash } from "node:crypto";

/** Distinguishes the hosts of one machine, e.g. "ly3k9z": begins the names of their links, tables, groups and slots. `stateDir` is a real path. */
export function hostKey(stateDir: string): string {
  const hash = BigInt(`0x${createHash("sha256").update(stateDir).digest("hex").slice(0, 12)}`);
  return `ly${hash.toString(36).padStart(4, "0").slice(-4)}`;
}
