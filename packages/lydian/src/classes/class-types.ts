// The types that carry a class to its callers.
import type { AnyFunction, BatchedHandle, CallableHandle, GeneratorHandle, IsGenerator, LocalCall } from "../function-types.ts";
import type { FunctionOptions } from "../options.ts";
import type { VariantOptions } from "../variant.ts";

// biome-ignore lint/suspicious/noExplicitAny: only `any` matches every constructor.
export type AnyClass = new (...args: any[]) => any;

declare const BATCH: unique symbol;
/** Type of a parameter of a batched method: a list in the method, one item for its callers. */
export type Batch<T> = T[] & { readonly [BATCH]?: T };
type IsBatched<F extends AnyFunction> =
  Parameters<F> extends readonly [infer P, ...unknown[]]
    ? P extends readonly unknown[]
      ? typeof BATCH extends keyof P
        ? true
        : false
      : false
    : false;

/** Public methods; what is private, protected or named with # is not among them. */
type MethodKeys<T> = { [K in keyof T]: T[K] extends AnyFunction ? K : never }[keyof T];

type MethodHandle<F extends AnyFunction> =
  IsGenerator<F> extends true
    ? GeneratorHandle<F, LocalCall<F>>
    : IsBatched<F> extends true
      ? BatchedHandle<F, LocalCall<F>>
      : CallableHandle<F, LocalCall<F>>;

/** What `new Model(…)` gives: a handle for each method. Nothing is made or sent until one of them is called. */
export type RemoteInstance<T, K extends keyof T = MethodKeys<T>> = {
  readonly [P in K]: T[P] extends AnyFunction ? MethodHandle<T[P]> : never;
};

/** What `app.cls` returns. */
export interface ClassHandle<C extends AnyClass, K extends keyof InstanceType<C> = MethodKeys<InstanceType<C>>> {
  /** Takes what the constructor takes, or the declared parameters. Each combination has containers of its own, each with one instance. */
  new (...args: ConstructorParameters<C>): RemoteInstance<InstanceType<C>, K>;
  /** In the app. Empty until the module that exports it has loaded. */
  readonly name: string;
  /** An instance in this process, whose enter hooks have run; disposing of it runs the exit hooks. */
  local(...args: ConstructorParameters<C>): Promise<InstanceType<C> & AsyncDisposable>;
  /** The same class with other options, in containers of its own. Nothing is sent until a method is called. */
  withOptions(options: VariantOptions): this;
  /** Short for `withOptions({ concurrent })`. */
  withConcurrency(concurrent: NonNullable<VariantOptions["concurrent"]>): this;
  /** Short for `withOptions({ batched })`, of a class with a batched method. */
  withBatching(batched: NonNullable<VariantOptions["batched"]>): this;
}

/** As of functions, for all methods together. */
export interface ClassOptions extends Omit<FunctionOptions, "input" | "params" | "schedule"> {
  readonly input?: never;
  readonly params?: never;
  readonly schedule?: never;
}

/** For a class without decorators: what they would say. */
export interface MemberNames<M extends string> {
  /** Called from outside. */
  readonly methods: readonly M[];
  /** Run, in this order, before the container takes its first call. */
  readonly enter?: readonly string[];
  /** Run, in this order, when the container ends in an orderly way. */
  readonly exit?: readonly string[];
}
