// What a caller learns of something that was thrown: text for everyone, data for callers of ours.
import { encodePayload, errorToWire, GenericResult_GenericStatus as Status, type WireError } from "@lydian/protocol";
import type { ResultInit } from "./outputs.ts";
import type { StackMapper } from "./stack-map.ts";

const MAX_TEXT = 64 * 1024;
const MAX_DATA_BYTES = 1024 * 1024;

export interface Failure {
  /** For log lines: the mapped stack, the code around the place, and the stacks of the causes. */
  readonly text: string;
  readonly result: ResultInit;
}

/** Describes anything thrown. `rich`: the reader is ours, so it gets the error as data too. Never throws. */
export function describeFailure(thrown: unknown, mapper: StackMapper, rich: boolean): Failure {
  const wire = errorToWire(thrown);
  mapStacks(wire, mapper);
  const frame = wire.stack === undefined ? undefined : mapper.frameOf(wire.stack);
  const text = limited(fullText(wire, frame));
  if (frame !== undefined && wire.stack !== undefined) wire.stack = `${wire.stack}\n\n${frame}`;
  const reason = retryReason(thrown);
  return {
    text,
    result: {
      status: Status.FAILURE,
      exception: limited(`${wire.name}: ${wire.message}`),
      traceback: text,
      ...(reason !== undefined && { propagationReason: reason }),
      ...(rich && { dataOneof: { case: "data", value: encodeWire(wire) } }),
    },
  };
}

function mapStacks(wire: WireError, mapper: StackMapper): void {
  if (wire.stack !== undefined) wire.stack = mapper.map(wire.stack);
  for (const inner of [wire.cause, ...(wire.errors ?? []), ...Object.values(wire.fields ?? {})]) {
    const nested = nestedError(inner);
    if (nested) mapStacks(nested, mapper);
  }
}

function nestedError(value: unknown): WireError | undefined {
  if (typeof value !== "object" || value === null || !("$error" in value)) return undefined;
  return value.$error as WireError;
}

function fullText(wire: WireError, frame?: string): string {
  const parts = [wire.stack ?? `${wire.name}: ${wire.message}`];
  if (frame !== undefined) parts.push(`\n${frame}\n`);
  for (let inner = nestedError(wire.cause); inner; inner = nestedError(inner.cause)) {
    parts.push(`Caused by: ${inner.stack ?? `${inner.name}: ${inner.message}`}`);
  }
  return parts.join("\n").trimEnd();
}

/** Fields may be of any size; an error must never fail for its own weight. */
function encodeWire(wire: WireError): Uint8Array {
  const whole = encodePayload(wire, { rich: true });
  if (whole.byteLength <= MAX_DATA_BYTES) return whole;
  const { name, message, stack, code } = wire;
  const lean: WireError = {
    name,
    message: limited(message),
    fields: { omitted: "causes and fields of this error were too large to send" },
  };
  if (wire.class !== undefined) lean.class = wire.class;
  if (stack !== undefined) lean.stack = limited(stack);
  if (code !== undefined) lean.code = code;
  return encodePayload(lean, { rich: true });
}

function limited(text: string): string {
  return text.length <= MAX_TEXT
    ? text
    : `${text.slice(0, MAX_TEXT).replace(/[\uD800-\uDBFF]$/, "")} … (${text.length - MAX_TEXT} more characters)`;
}

/**
 * What the thrower asked of the retry policy, as the server reads it: "non-retriable", or "retry-after:<ms>". By name, since the class may
 * come from another copy of the SDK.
 */
function retryReason(thrown: unknown): string | undefined {
  const names = classNames(thrown);
  if (names.has("NonRetriableError")) return "non-retriable";
  if (!names.has("RetryAfterError")) return undefined;
  const { retryAfterMs, after } = thrown as { retryAfterMs?: unknown; after?: unknown };
  const delayMs = typeof retryAfterMs === "number" ? retryAfterMs : after;
  return typeof delayMs === "number" && Number.isFinite(delayMs) ? `retry-after:${Math.max(0, Math.round(delayMs))}` : undefined;
}

function classNames(value: unknown): Set<string> {
  const names = new Set<string>();
  if (!(value instanceof Error)) return names;
  names.add(value.name);
  for (let proto: unknown = Object.getPrototypeOf(value); proto; proto = Object.getPrototypeOf(proto)) {
    const name = (proto as { constructor?: { name?: unknown } }).constructor?.name;
    if (typeof name === "string") names.add(name);
  }
  return names;
}
