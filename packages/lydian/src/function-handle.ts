// The object that `app.function` returns. What talks to the server is loaded with the first call.
import { serviceName } from "@lydian/protocol/core";
import { type AutoscalerOptions, autoscalerSettings } from "./autoscaler.ts";
import { durationMs } from "./duration.ts";
import { InvalidError } from "./errors.ts";
import type { AnyFunction, AnyIterable, CallOptions, ForEachOptions, FunctionHandle, MapOptions } from "./function-types.ts";
import { type MapCall, mapCall } from "./map-call.ts";
import { mergeOptions, type Variant, type VariantOptions } from "./variant.ts";

/** Of a function in a deployed app. */
export interface DeployedName {
  readonly appName: string;
  readonly name: string;
  /** Default: that of the connection. */
  readonly environment: string | undefined;
  /** Of a class, whose function `name` is. */
  readonly className?: string;
}

/** What a call needs to know of its function. */
export interface CallTarget {
  /** Throws when the function has no name. */
  readonly name: () => string;
  /** Absent: it is of the running app. */
  readonly deployed?: DeployedName | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  /** Of a class. */
  readonly method?: string | undefined;
  readonly variant?: Variant | undefined;
}

/** What a handle is of, apart from its function. */
export interface HandlePart {
  readonly method?: string | undefined;
  readonly variant?: Variant | undefined;
  readonly isBatched?: boolean | undefined;
  readonly deployed?: DeployedName | undefined;
}

const network = () => import("./calls/index.ts");

/** `registration` is asked when it is needed: names are bound after the handle was made. */
export function makeHandle(
  registration: () => { readonly name: string | undefined },
  local: AnyFunction | undefined,
  isGenerator: boolean | "unknown",
  options: CallOptions = {},
  part: HandlePart = {},
): FunctionHandle<AnyFunction> {
  const { method, variant, isBatched = false, deployed } = part;
  const target: CallTarget = {
    name: () => {
      const { name } = registration();
      if (name === undefined)
        throw new InvalidError(
          `This ${method === undefined ? "function" : "class"} has no name: export it from its module, or give it one with { name: "…" }.`,
        );
      return method === undefined ? name : serviceName(name);
    },
    signal: options.signal,
    timeoutMs: options.timeout === undefined ? undefined : durationMs(options.timeout, "`timeout`"),
    deployed,
    method,
    variant,
  };
  const withOptions = (more: VariantOptions) => {
    const merged = { ...variant, options: mergeOptions(variant?.options, more, isBatched) };
    return makeHandle(registration, local, isGenerator, options, { ...part, variant: merged });
  };
  const common = {
    ...(local && { local }),
    callWith: (more: CallOptions) => {
      refuseUnknown(more, CALL_OPTIONS, "callWith");
      return makeHandle(registration, local, isGenerator, { ...options, ...more }, part);
    },
    withOptions,
    withConcurrency: (concurrent: NonNullable<VariantOptions["concurrent"]>) => withOptions({ concurrent }),
    withBatching: (batched: NonNullable<VariantOptions["batched"]>) => withOptions({ batched }),
    getCurrentStats: async () => (await network()).stats(target),
    updateAutoscaler: async (settings: AutoscalerOptions) => {
      const checked = autoscalerSettings(settings);
      await (await network()).updateAutoscaler(target, checked);
    },
  };
  // Spreading would read a getter, and the name is not known yet.
  const named = (handle: object) =>
    Object.defineProperty(handle, "name", {
      get: () => [registration().name ?? "", ...(method === undefined ? [] : [method])].join("."),
      enumerable: true,
    }) as unknown as FunctionHandle<AnyFunction>;
  const generating = {
    async *remoteGen(...args: unknown[]) {
      refuseTimeout(target, "remoteGen");
      yield* (await network()).remoteGenerator(target, args);
    },
  };
  if (isGenerator === true) return named({ ...common, ...generating });
  const map = (sources: AnyIterable<unknown[]>, settings: MapOptions): MapCall<unknown> => {
    refuseUnknown(settings, MAP_OPTIONS, "map");
    refuseTimeout(target, "map");
    const { signal = target.signal } = settings;
    return mapCall(async function* () {
      yield* (await network()).remoteMap(target, sources, { ...settings, ...(signal ? { signal } : {}) });
    });
  };
  const calling = {
    remote: async (...args: unknown[]) => (await network()).remote(target, args),
    spawn: async (...args: unknown[]) => {
      refuseTimeout(target, "spawn");
      return (await network()).spawn(target, args);
    },
    map(...args: unknown[]) {
      const [sources, settings] = splitSources<MapOptions>(args);
      return map(zip(sources), settings);
    },
    starMap: (inputs: AnyIterable<unknown[]>, settings: MapOptions = {}) => map(inputs, settings),
    async forEach(...args: unknown[]) {
      const [sources, { ignoreExceptions, ...settings }] = splitSources<ForEachOptions>(args);
      for await (const _ of map(zip(sources), { ordered: false, ...settings, ...(ignoreExceptions ? { returnExceptions: true } : {}) }))
        void _;
    },
  };
  return named({ ...common, ...calling, ...(isGenerator === "unknown" && generating) });
}

/** A misspelt option would silently do nothing. */
function refuseUnknown(options: object, known: readonly string[], what: string): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new InvalidError(`\`${name}\` is no option of ${what}; it has: ${known.join(", ")}.`);
  }
}

function refuseTimeout({ timeoutMs }: CallTarget, what: string): void {
  if (timeoutMs === undefined) return;
  throw new InvalidError(
    `callWith({ timeout }) bounds the wait of \`remote\`; ${what} is bounded by the function's own \`timeout\`, or ended by a \`signal\`.`,
  );
}

const isIterable = (value: unknown): value is AnyIterable<unknown> =>
  typeof value === "object" && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);

const MAP_OPTIONS = ["ordered", "returnExceptions", "signal"];
const CALL_OPTIONS = ["signal", "timeout"];

function splitSources<O>(args: readonly unknown[]): [AnyIterable<unknown>[], O] {
  const last = args.at(-1);
  const hasOptions = args.length > 1 && !isIterable(last);
  const sources = hasOptions ? args.slice(0, -1) : args;
  if (sources.length === 0)
    throw new InvalidError("map needs something to iterate; a function without parameters is called with `remote` or `spawn`.");
  for (const [i, source] of sources.entries()) {
    if (!isIterable(source))
      throw new InvalidError(`map needs something to iterate for each parameter of the function; argument ${i + 1} is ${typeof source}.`);
  }
  return [sources as AnyIterable<unknown>[], ((hasOptions ? last : undefined) ?? {}) as O];
}

/** Argument lists from one source per parameter. Stays synchronous for one synchronous source: arrays are read without a promise per element. */
function zip(sources: readonly AnyIterable<unknown>[]): AnyIterable<unknown[]> {
  const [only] = sources;
  if (sources.length === 1 && only && Symbol.iterator in only) return singles(only);
  return zipped(sources);
}

function* singles(source: Iterable<unknown>): Generator<unknown[]> {
  for (const value of source) yield [value];
}

async function* zipped(sources: readonly AnyIterable<unknown>[]): AsyncGenerator<unknown[]> {
  const iterators = sources.map((source) => (Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()));
  try {
    for (;;) {
      const steps = await Promise.all(iterators.map((iterator) => iterator.next()));
      if (steps.some(({ done }) => done)) return;
      yield steps.map(({ value }) => value as unknown);
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}
