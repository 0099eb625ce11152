/** A refused value as its author wrote it; JSON alone would call NaN null. */
export function showValue(value: unknown): string {
  if (typeof value === "object" || typeof value === "string") return JSON.stringify(value) ?? String(value);
  return String(value);
}
