// The types that carry a handler's signature to its callers.
import type { AutoscalerOptions } from "./autoscaler.ts";
import type { Duration } from "./duration.ts";
import type { FunctionCall } from "./function-call.ts";
import type { MapCall } from "./map-call.ts";
import type { VariantOptions } from "./variant.ts";

// biome-ignore lint/suspicious/noExplicitAny: only `any` lets inference keep generics and overloads of the handler.
export type AnyFunction = (...args: any[]) => any;
/** Constraint on handlers: a parameter without a type becomes `never` instead of `any`. */
export type Handler = (...args: never[]) => unknown;
export type AnyIterable<T> = Iterable<T> | AsyncIterable<T>;

// biome-ignore lint/suspicious/noExplicitAny: matches every generator.
type AnyGenerator = Generator<any, any, any> | AsyncGenerator<any, any, any>;
// biome-ignore lint/suspicious/noExplicitAny: matches every generator.
type Yielded<R> = R extends AsyncGenerator<infer Y, any, any> ? Y : R extends Generator<infer Y, any, any> ? Y : never;

/** The handler's signature, with a promise around a result that is not one. An async handler keeps its own, generics included. */
export type Asynchronous<F extends AnyFunction> = F extends (...args: never[]) => Promise<unknown>
  ? F
  : (...args: Parameters<F>) => Promise<Awaited<ReturnType<F>>>;

export type IsGenerator<F extends AnyFunction> = ReturnType<F> extends AnyGenerator ? true : false;

/** A method of an instance that has to be made first. */
export type LocalCall<F extends AnyFunction> =
  IsGenerator<F> extends true ? (...args: Parameters<F>) => AsyncGenerator<Yielded<ReturnType<F>>, void, undefined> : Asynchronous<F>;

type Items<P extends readonly unknown[]> = { [K in keyof P]: P[K] extends readonly (infer T)[] ? T : never };

/** The signature for callers of a batched handler: an item for each list, and one result. */
type PerItem<F extends AnyFunction> = (
  ...args: Items<Parameters<F>>
) => Promise<Awaited<ReturnType<F>> extends readonly (infer R)[] ? R : never>;

type Result<F extends AnyFunction> = Awaited<ReturnType<F>>;
type Sources<P extends readonly unknown[]> = { [K in keyof P]: AnyIterable<P[K]> };

export interface MapOptions {
  /** False: results in the order in which they are ready. Default true. */
  readonly ordered?: boolean;
  /** An input that failed becomes a value of type Error instead of ending the iteration. Default false. */
  readonly returnExceptions?: boolean;
  /** Ends the map and cancels what has not run. */
  readonly signal?: AbortSignal;
}

export interface ForEachOptions extends MapOptions {
  /** Failed inputs are passed over. Default false. */
  readonly ignoreExceptions?: boolean;
}

export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** How long to wait for the result; then TimeoutError, and the call is cancelled. Default: no bound but the function's. */
  readonly timeout?: Duration;
}

type Mapped<R, O> = O extends { readonly returnExceptions: true } ? R | Error : R;

export interface FunctionStats {
  /** Inputs that wait for a container. */
  readonly backlog: number;
  readonly running: number;
  readonly containers: number;
}

interface Common {
  /** In the app. Empty until the module that exports it has loaded. */
  readonly name: string;
  /** The same function, with settings for the calls made through the returned handle. */
  callWith(options: CallOptions): this;
  /** The same function with other options, in containers of its own. Nothing is sent until it is called. */
  withOptions(options: VariantOptions): this;
  /** Short for `withOptions({ concurrent })`. */
  withConcurrency(concurrent: NonNullable<VariantOptions["concurrent"]>): this;
  /** Short for `withOptions({ batched })`, of a batched function. */
  withBatching(batched: NonNullable<VariantOptions["batched"]>): this;
  /** What waits and runs at this moment. */
  getCurrentStats(): Promise<FunctionStats>;
  /** Changes how many containers there are, from now on until the app is deployed again. */
  updateAutoscaler(options: AutoscalerOptions): Promise<void>;
}

interface Local<L extends AnyFunction> {
  /** The handler itself, in this process. */
  readonly local: L;
}

/** A function of a deployed app, or of this one: what can be done with it from afar. */
export interface RemoteCallable<F extends AnyFunction> extends Common {
  /** Runs it in a container and waits for the result. */
  readonly remote: Asynchronous<F>;
  /** Queues it. Resolves when the call is durable; `get` on what it resolves to waits for the result. */
  spawn(...args: Parameters<F>): Promise<FunctionCall<Result<F>>>;
  /** One call per element, one source per parameter; the shortest source ends it. Nothing is sent before it is awaited or iterated. */
  map<const O extends MapOptions = Record<never, never>>(
    ...args: [...sources: Sources<Parameters<F>>, options?: O]
  ): MapCall<Mapped<Result<F>, O>>;
  /** Like `map`, from one source of argument lists. */
  starMap<const O extends MapOptions = Record<never, never>>(
    inputs: AnyIterable<Readonly<Parameters<F>>>,
    options?: O,
  ): MapCall<Mapped<Result<F>, O>>;
  /** Like `map`, without results. */
  forEach(...args: [...sources: Sources<Parameters<F>>, options?: ForEachOptions]): Promise<void>;
}

export interface CallableHandle<F extends AnyFunction, L extends AnyFunction = F> extends RemoteCallable<F>, Local<L> {}

export interface RemoteGenerator<F extends AnyFunction> extends Common {
  /** Runs it in a container; each value arrives when it is yielded. Leaving the loop ends it there. */
  remoteGen(...args: Parameters<F>): AsyncGenerator<Yielded<ReturnType<F>>, void, undefined>;
}

export interface GeneratorHandle<F extends AnyFunction, L extends AnyFunction = F> extends RemoteGenerator<F>, Local<L> {}

/** Of a handler that takes and returns lists, for callers of one item each. */
export type BatchedHandle<F extends AnyFunction, L extends AnyFunction = F> = CallableHandle<PerItem<F>, L>;

/** What `app.function` returns. */
export type FunctionHandle<F extends AnyFunction = AnyFunction> =
  ReturnType<F> extends AnyGenerator ? GeneratorHandle<F> : CallableHandle<F>;

const GENERATORS = new Set(["GeneratorFunction", "AsyncGeneratorFunction"]);
export const isGeneratorFunction = (handler: AnyFunction | undefined): boolean => GENERATORS.has(handler?.constructor.name ?? "");

/** What is called by name: `H` is the type of a handle (`typeof square`) or of a signature. */
export type DeployedFunction<H> =
  H extends CallableHandle<infer F, AnyFunction>
    ? RemoteCallable<F>
    : H extends GeneratorHandle<infer F, AnyFunction>
      ? RemoteGenerator<F>
      : H extends AnyFunction
        ? ReturnType<H> extends AnyGenerator
          ? RemoteGenerator<H>
          : RemoteCallable<H>
        : never;

/** Of which nothing is known: it takes anything, and gives `unknown`. */
export type UntypedFunction = RemoteCallable<(...args: unknown[]) => unknown> &
  RemoteGenerator<(...args: unknown[]) => AsyncGenerator<unknown>>;
