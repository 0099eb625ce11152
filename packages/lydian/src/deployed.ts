// What is callable by name: functions of deployed apps, from any program that knows the server.
import { makeHandle } from "./function-handle.ts";
import type { AnyFunction, CallableHandle, DeployedFunction, GeneratorHandle, UntypedFunction } from "./function-types.ts";
import { checkName } from "./registry.ts";

export interface FromNameOptions {
  /** Default: that of the connection; inside a container, its own. */
  readonly environment?: string;
}

function fromName(appName: string, name: string, options?: FromNameOptions): UntypedFunction;
function fromName<H>(appName: string, name: string, options?: FromNameOptions): DeployedFunction<H>;
function fromName(appName: string, name: string, { environment }: FromNameOptions = {}): unknown {
  checkName(appName, "an app");
  checkName(name, "a function");
  return makeHandle(() => ({ name }), undefined, "unknown", {}, { deployed: { appName, name, environment } });
}

/**
 * Functions of deployed apps, whatever language they are written in. Nothing is sent before the first call; that throws NotFoundError
 * when there is no such function, and says which there are. The type argument is the type of a handle or a signature, and is believed.
 *
 * @example
 * import type { square } from "../backend/app.ts";
 * const nine = await Function.fromName<typeof square>("shop", "square").remote(3);
 */
export const DeployedFunctions = { fromName } as const;

type AnyHandle = CallableHandle<AnyFunction, AnyFunction> | GeneratorHandle<AnyFunction, AnyFunction>;

/** The functions that a module exports, as they are called by name. */
export type AppRef<M> = {
  readonly [K in keyof M as M[K] extends AnyHandle ? K : never]: DeployedFunction<M[K]>;
};

/** Properties are looked at by tools and by `await`, too: what is no name of a function is undefined. */
const NOT_NAMES = new Set<PropertyKey>(["then", "toJSON"]);

export function appRef<M>(appName: string, options?: FromNameOptions): AppRef<M> {
  checkName(appName, "an app");
  const known = new Map<string, unknown>();
  const get = (_: object, name: PropertyKey): unknown => {
    if (typeof name !== "string" || NOT_NAMES.has(name)) return undefined;
    const handle = known.get(name) ?? fromName(appName, name, options);
    known.set(name, handle);
    return handle;
  };
  return new Proxy({}, { get }) as AppRef<M>;
}
