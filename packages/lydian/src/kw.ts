// Named arguments, for functions of languages that have them.
const NAMED = Symbol.for("lydian.kw.v1");

/** What `kw` makes; in the type of a function, its last parameter. */
export interface Kw<T extends object> {
  readonly [NAMED]: T;
}

/**
 * Arguments by name, given as the last one of a call of a Python function. A TypeScript function takes them when it lists its `params`.
 *
 * @example
 * const scale = Function.fromName<(x: number, named: Kw<{ factor: number }>) => number>("shop", "scale");
 * await scale.remote(3, kw({ factor: 2 }));
 */
export function kw<T extends object>(named: T): Kw<T> {
  return { [NAMED]: named };
}

/** The named arguments, when the value is such. */
export function namedArguments(value: unknown): object | undefined {
  return typeof value === "object" && value !== null && NAMED in value ? (value as Kw<object>)[NAMED] : undefined;
}
