// Errors as plain data and back. Reviving one runs no code of its class: it gets the class's prototype and its fields.
// This file and encoder.ts import each other: errors hold values and values hold errors.
import { LydianError } from "../errors.ts";
import { Encoder } from "./encoder.ts";
import { MAX_AGGREGATED, MAX_CAUSES, MAX_ERRORS, MAX_FIELD_DEPTH } from "./limits.ts";
import { SerializationError } from "./serialization-error.ts";

/** An error as data that any codec can carry. An error inside it is `{ $error: WireError }`. */
export interface WireError {
  name: string;
  message: string;
  /** Name of its class, when that says more than `name`. */
  class?: string;
  stack?: string;
  code?: string | number;
  cause?: unknown;
  /** Of an AggregateError. */
  errors?: unknown[];
  /** Own fields. What cannot be sent is there as text. */
  fields?: Record<string, unknown>;
}

type ErrorClass = { readonly prototype: Error; readonly name: string };

const CLASSES = new Map<string, ErrorClass>();
for (const errorClass of [Error, TypeError, RangeError, SyntaxError, ReferenceError, URIError, EvalError, AggregateError]) {
  CLASSES.set(errorClass.name, errorClass);
}
CLASSES.set("LydianError", LydianError);
CLASSES.set("SerializationError", SerializationError);

/**
 * Makes errors of this name arrive as instances of the class.
 *
 * @example
 * class OutOfStock extends Error {}
 * registerError(OutOfStock);
 */
export function registerError(errorClass: abstract new (...args: never[]) => Error, name: string = errorClass.name): void {
  if (name === "") throw new LydianError("invalid_argument", "an error class without a name needs one: registerError(class, name)");
  CLASSES.set(name, errorClass as ErrorClass);
}

const OWN_PLACE = new Set(["name", "message", "stack", "code", "cause", "errors"]);

/** Bounds on the errors inside one value, which may hold each other in circles. */
export interface ErrorScope {
  left: number;
  /** Those being described now. */
  readonly open: Set<unknown>;
}

export function newErrorScope(): ErrorScope {
  return { left: MAX_ERRORS, open: new Set() };
}

/** Takes anything that was thrown. */
export function errorToWire(thrown: unknown): WireError {
  return describe(thrown, newErrorScope(), (value) => value);
}

/**
 * @param keep makes of a field that can be sent, and of its encoding, what stands in the result
 */
export function describe(thrown: unknown, scope: ErrorScope, keep: (value: unknown, encoded: Uint8Array) => unknown): WireError {
  const sendable = (value: unknown): unknown => {
    if (value === null || typeof value === "boolean" || typeof value === "number") return value;
    if (typeof value === "string") return wellFormed(value);
    try {
      return keep(value, new Encoder(true, { scope, maxDepth: MAX_FIELD_DEPTH }).encode(value));
    } catch {
      return textOf(value);
    }
  };
  if (!(thrown instanceof Error)) return { name: "Error", message: textOf(thrown), fields: { thrown: sendable(thrown) } };
  const inner = (value: unknown): unknown => {
    if (!(value instanceof Error)) return sendable(value);
    return mayDescribe(value, scope) ? { $error: describe(value, scope, keep) } : textOf(value);
  };
  scope.left--;
  scope.open.add(thrown);
  const wire = describeParts(thrown, inner);
  scope.open.delete(thrown);
  return wire;
}

export function mayDescribe(error: Error, scope: ErrorScope): boolean {
  return scope.left > 0 && scope.open.size < MAX_CAUSES && !scope.open.has(error);
}

function describeParts(error: Error, inner: (value: unknown) => unknown): WireError {
  const read = (key: string): unknown => {
    try {
      return (error as unknown as Record<string, unknown>)[key];
    } catch {
      return undefined; // A getter that fails says nothing.
    }
  };
  const wire: WireError = { name: textOf(read("name") ?? "Error"), message: textOf(read("message") ?? "") };
  const className = error.constructor?.name;
  if (typeof className === "string" && className !== "" && className !== wire.name) wire.class = wellFormed(className);
  const stack = read("stack");
  if (typeof stack === "string") wire.stack = wellFormed(stack);
  const code = read("code");
  if (typeof code === "number") wire.code = code;
  else if (typeof code === "string") wire.code = wellFormed(code);
  if (Object.hasOwn(error, "cause")) wire.cause = inner(read("cause"));
  const errors = read("errors");
  if (Array.isArray(errors)) wire.errors = errors.slice(0, MAX_AGGREGATED).map(inner);
  const fields: [string, unknown][] = Object.keys(error)
    .filter((key) => !OWN_PLACE.has(key))
    .map((key) => [wellFormed(key), inner(read(key))]);
  if (fields.length > 0) wire.fields = Object.fromEntries(fields);
  return wire;
}

function wellFormed(text: string): string {
  return (text as unknown as { toWellFormed(): string }).toWellFormed();
}

export function textOf(value: unknown): string {
  try {
    return wellFormed(String(value));
  } catch {
    return "a value without text";
  }
}

/** An Error for any data; never throws. */
export function errorFromWire(wire: unknown): Error {
  return revive(wire, MAX_CAUSES);
}

function revive(wire: unknown, levels: number): Error {
  const data = (typeof wire === "object" && wire !== null ? wire : {}) as Partial<Record<keyof WireError, unknown>>;
  const error = new Error(typeof data.message === "string" ? data.message : "");
  const name = typeof data.name === "string" ? data.name : "Error";
  const errorClass = (typeof data.class === "string" ? CLASSES.get(data.class) : undefined) ?? CLASSES.get(name) ?? Error;
  Object.setPrototypeOf(error, errorClass.prototype);
  if (error.name !== name) hide(error, "name", name);
  const stack = typeof data.stack === "string" ? data.stack : `${name}: ${error.message}`;
  hide(error, "stack", stack);
  const inner = (value: unknown): unknown => (levels > 0 && isNested(value) ? revive(value.$error, levels - 1) : value);
  if (typeof data.code === "string" || typeof data.code === "number") show(error, "code", data.code);
  if (data.cause !== undefined) hide(error, "cause", inner(data.cause));
  if (Array.isArray(data.errors)) hide(error, "errors", data.errors.map(inner));
  if (typeof data.fields === "object" && data.fields !== null) {
    for (const [key, value] of Object.entries(data.fields)) if (!OWN_PLACE.has(key)) show(error, key, inner(value));
  }
  return error;
}

function isNested(value: unknown): value is { $error: unknown } {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "$error");
}

// defineProperty, because an assignment would run setters of the class, and `__proto__` is one.
function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: false });
}

function show(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: true });
}
