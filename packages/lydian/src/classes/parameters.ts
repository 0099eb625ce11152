// Declared parameters of a class: known by name and type without making an instance, and to callers in other languages.
import type { ClassParameter } from "@lydian/protocol/core";
import { InvalidError } from "../errors.ts";
import { showValue } from "../show-value.ts";
import type { ParameterValue } from "../variant.ts";

/** What `parameter.string()` and its siblings return. */
export interface Parameter<T, D extends boolean> {
  readonly type: ClassParameter["type"];
  readonly default: T | undefined;
  readonly hasDefault: D;
  /** Of a string: what it may be. */
  readonly values: readonly string[] | undefined;
}

interface Build<T> {
  (options: { readonly default: T }): Parameter<T, true>;
  (options?: Record<never, never>): Parameter<T, false>;
}

interface BuildString {
  <const V extends string>(options: { readonly values: readonly V[]; readonly default: NoInfer<V> }): Parameter<V, true>;
  <const V extends string>(options: { readonly values: readonly V[] }): Parameter<V, false>;
  (options: { readonly default: string }): Parameter<string, true>;
  (options?: Record<never, never>): Parameter<string, false>;
}

/**
 * Types of declared parameters.
 *
 * @example
 * class Model extends parameters({ name: parameter.string(), size: parameter.int({ default: 3 }) }) {}
 */
export const parameter = {
  string: build("string") as BuildString,
  /** Whole numbers of 64 bits. */
  int: build("int") as Build<number>,
  bool: build("bool") as Build<boolean>,
  bytes: build("bytes") as Build<Uint8Array>,
};

function build(type: ClassParameter["type"]): unknown {
  return (options: { readonly default?: unknown; readonly values?: readonly string[] } = {}) => ({
    type,
    default: options.default,
    hasDefault: options.default !== undefined,
    values: options.values,
  });
}

type AnyParameter = Parameter<unknown, boolean>;
export type Shape = Readonly<Record<string, AnyParameter>>;
type Value<P> = P extends Parameter<infer T, boolean> ? T : never;
type Given<S extends Shape> = {
  readonly [K in keyof S as S[K] extends Parameter<unknown, false> ? K : never]: Value<S[K]>;
} & { readonly [K in keyof S as S[K] extends Parameter<unknown, true> ? K : never]?: Value<S[K]> };
type Simplify<T> = { [K in keyof T]: T[K] };
type Arguments<S extends Shape> =
  Record<never, never> extends Given<S> ? [parameters?: Simplify<Given<S>>] : [parameters: Simplify<Given<S>>];

const SHAPE = Symbol.for("lydian.parameters.v1");
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;

/** A base class whose fields are these parameters, of which callers give those without a default. Each combination has containers of its own. */
export function parameters<S extends Shape>(shape: S): new (...args: Arguments<S>) => { readonly [K in keyof S]: Value<S[K]> } {
  for (const [name, { hasDefault, default: value }] of Object.entries(shape)) {
    if (!NAME.test(name))
      throw new InvalidError(`${JSON.stringify(name)} is not a name of a parameter: up to 100 letters, digits or "_", no digit first.`);
    if (hasDefault) check(name, value, shape);
  }
  class Parameterized {
    static readonly [SHAPE]: Shape = shape;
    constructor(given: unknown) {
      for (const { name, value } of parameterValues(shape, given)) Object.defineProperty(this, name, { value, enumerable: true });
    }
  }
  return Parameterized as unknown as new (
    ...args: Arguments<S>
  ) => { readonly [K in keyof S]: Value<S[K]> };
}

/** Undefined for a class that declares none. */
export const shapeOf = (cls: object): Shape | undefined => (cls as Record<symbol, Shape | undefined>)[SHAPE];

export function declaredParameters(shape: Shape): ClassParameter[] {
  return Object.entries(shape).map(([name, { type, default: value, hasDefault }]) => ({
    name,
    type,
    ...(hasDefault ? { default: value as ParameterValue["value"] } : {}),
  }));
}

/** All of them, defaults included. Throws InvalidError for one that is missing, unknown or of another type. */
export function parameterValues(shape: Shape, given: unknown): ParameterValue[] {
  const values = given ?? {};
  if (typeof values !== "object") throw new InvalidError(`The parameters are ${showValue(given)}; they must be a record: ${list(shape)}.`);
  for (const name of Object.keys(values)) {
    if (!Object.hasOwn(shape, name)) throw new InvalidError(`There is no parameter ${JSON.stringify(name)}; there are: ${list(shape)}.`);
  }
  return Object.entries(shape).map(([name, { type, default: fallback }]) => {
    const value = (values as Record<string, unknown>)[name] ?? fallback;
    if (value === undefined) throw new InvalidError(`The parameter \`${name}\` is missing; it is ${WORDS[type]} and has no default.`);
    check(name, value, shape);
    return { name, type, value: value as ParameterValue["value"] };
  });
}

const WORDS = { string: "a string", int: "a whole number", bool: "true or false", bytes: "a Uint8Array" } as const;
const list = (shape: Shape) => Object.keys(shape).join(", ") || "none";

const IS = {
  string: (value: unknown) => typeof value === "string",
  int: (value: unknown) => Number.isSafeInteger(value) || (typeof value === "bigint" && BigInt.asIntN(64, value) === value),
  bool: (value: unknown) => typeof value === "boolean",
  bytes: (value: unknown) => value instanceof Uint8Array,
} as const;

function check(name: string, value: unknown, shape: Shape): void {
  const declared = shape[name];
  if (declared === undefined) return;
  const { type, values } = declared;
  if (!IS[type](value)) throw new InvalidError(`The parameter \`${name}\` is ${showValue(value)}; it must be ${WORDS[type]}.`);
  if (values !== undefined && !values.includes(value as string))
    throw new InvalidError(`The parameter \`${name}\` is ${showValue(value)}; it must be one of: ${values.join(", ")}.`);
}
