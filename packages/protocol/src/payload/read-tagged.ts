// What a tag makes of the value inside it.
import type { ByteReader } from "./byte-reader.ts";
import { errorFromWire } from "./errors.ts";
import { MAX_BIGNUM_BYTES, MAX_DECIMAL_EXPONENT } from "./limits.ts";
import { TAG, Tagged } from "./tags.ts";
import { isArrayTag, readArray } from "./typed-arrays.ts";

const DAY_MS = 86_400_000;

export function readTagged(tag: number, value: unknown, input: ByteReader): unknown {
  switch (tag) {
    case TAG.dateText:
    case TAG.dateOnly:
      return date(typeof value === "string" ? Date.parse(value) : Number.NaN, input);
    case TAG.epochSeconds:
      return date(typeof value === "number" ? milliseconds(value) : Number.NaN, input);
    case TAG.daysSinceEpoch:
      return date(typeof value === "number" ? value * DAY_MS : Number.NaN, input);
    case TAG.positiveBignum:
      return bignum(value, input);
    case TAG.negativeBignum:
      return -1n - bignum(value, input);
    case TAG.decimal:
      return decimal(value, input);
    case TAG.object:
      return object(value, input);
    case TAG.sharedReference:
      return input.fail("shared references are not accepted");
    case TAG.uri:
      return typeof value === "string" && URL.canParse(value) ? new URL(value) : input.fail("a URI is not valid");
    case TAG.regexp:
      return regexp(value, input);
    case TAG.uuid:
      return uuid(value, input);
    case TAG.set:
      return Array.isArray(value) ? new Set(value) : input.fail("a set is no array");
    case TAG.selfDescribed:
      return value;
  }
  if (!isArrayTag(tag)) return new Tagged(tag, value);
  const array = value instanceof Uint8Array ? readArray(tag, value as Uint8Array<ArrayBuffer>) : undefined;
  return array ?? input.fail("a typed array is no whole number of elements");
}

/** Whole seconds apart from the rest: far from 1970 their product has no room for the milliseconds. */
function milliseconds(seconds: number): number {
  const whole = Math.trunc(seconds);
  return whole * 1000 + Math.round((seconds - whole) * 1000);
}

function date(ms: number, input: ByteReader): Date {
  const value = new Date(ms);
  return Number.isNaN(value.getTime()) ? input.fail("a date is not valid") : value;
}

function bignum(value: unknown, input: ByteReader): bigint {
  if (!(value instanceof Uint8Array)) return input.fail("a big integer has no bytes");
  if (value.byteLength > MAX_BIGNUM_BYTES) return input.fail(`a big integer has ${value.byteLength} bytes (at most ${MAX_BIGNUM_BYTES})`);
  return value.byteLength === 0 ? 0n : BigInt(`0x${Buffer.from(value).toString("hex")}`);
}

/** As text: there is no exact decimal in JavaScript. */
function decimal(value: unknown, input: ByteReader): string {
  const [exponent, mantissa] = Array.isArray(value) ? (value as unknown[]) : [];
  const whole = typeof mantissa === "bigint" || Number.isSafeInteger(mantissa);
  if (!whole || !Number.isSafeInteger(exponent) || Math.abs(exponent as number) > MAX_DECIMAL_EXPONENT) {
    return input.fail("a decimal fraction is not valid");
  }
  const shift = exponent as number;
  const number = BigInt(mantissa as bigint | number);
  const sign = number < 0n ? "-" : "";
  const digits = (number < 0n ? -number : number).toString();
  if (shift >= 0) return number === 0n ? "0" : sign + digits + "0".repeat(shift);
  const padded = digits.padStart(1 - shift, "0");
  return `${sign}${padded.slice(0, shift)}.${padded.slice(shift)}`;
}

function uuid(value: unknown, input: ByteReader): string {
  if (!(value instanceof Uint8Array) || value.byteLength !== 16) return input.fail("a UUID has not 16 bytes");
  const hex = Buffer.from(value).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function object(value: unknown, input: ByteReader): unknown {
  const [name, first, second] = Array.isArray(value) ? (value as unknown[]) : [];
  if (name === "Error") return errorFromWire(first);
  if (name === "ArrayBuffer" && first instanceof Uint8Array) return first.buffer;
  if (name === "RegExp" && typeof first === "string") return compile(first, typeof second === "string" ? second : "", input);
  return new Tagged(TAG.object, value);
}

function regexp(value: unknown, input: ByteReader): RegExp {
  if (typeof value !== "string") return input.fail("a regular expression is no text");
  const inline = /^\(\?([ims]+)\)/.exec(value);
  return compile(inline === null ? value : value.slice(inline[0].length), inline?.[1] ?? "", input);
}

function compile(source: string, flags: string, input: ByteReader): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (cause) {
    return input.fail("a regular expression is not valid here", cause);
  }
}
