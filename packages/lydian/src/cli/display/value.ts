import { inspect } from "node:util";

/** A result for a person or a pipe: text as it is, the rest as Node shows it. */
export function showValue(value: unknown, colours: boolean): string {
  if (typeof value === "string") return value;
  return inspect(value, { colors: colours, depth: 6, maxArrayLength: 200, breakLength: 120 });
}

/** A value as JSON can carry it: big integers, dates, maps and bytes as text or lists. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item === "bigint") return item.toString();
    if (item instanceof Map) return Object.fromEntries(item);
    if (item instanceof Set) return [...item];
    if (item instanceof Uint8Array) return Buffer.from(item).toString("base64");
    if (item instanceof Error) return { name: item.name, message: item.message };
    return item;
  });
}
