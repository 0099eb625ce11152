// Layer ids are hashes of what makes the layer, never of what came out: a layer that depends on the network
// (apt, npm) would otherwise have to be made before one knows that it was there already.
import { createHash } from "node:crypto";

/** What can be hashed: plain data whose meaning does not depend on key order. */
export type Hashable = string | number | boolean | null | undefined | readonly Hashable[] | { readonly [key: string]: Hashable };

/** JSON with sorted keys and without undefined members, so that equal data has equal text. */
export function canonical(value: Hashable): string {
  if (value === undefined || value === null) return "null";
  if (Array.isArray(value)) return `[${value.map((item: Hashable) => canonical(item)).join(",")}]`;
  if (typeof value === "object") {
    const record = value as { readonly [key: string]: Hashable };
    const members = Object.keys(record)
      .filter((key) => record[key] !== undefined)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonical(record[key])}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

export function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/**
 * The id of a layer made from `recipe`: 128 bits in hex. Short because an overlay mount's options, which hold the path
 * of each layer, must fit into one page.
 */
export function layerKey(recipe: Hashable): string {
  return sha256Hex(canonical(recipe)).slice(0, 32);
}
