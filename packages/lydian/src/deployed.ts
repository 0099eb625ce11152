// What is callable by name: functions of deployed apps, from any program that knows the server.
import type { AnyClass, ClassHandle } from "./classes/class-types.ts";
import { classByName, type DeployedClass, type UntypedClass } from "./classes/deployed-class.ts";
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

function classFromName(appName: string, name: string, options?: FromNameOptions): UntypedClass;
function classFromName<H>(appName: string, name: string, options?: FromNameOptions): DeployedClass<H>;
function classFromName(appName: string, name: string, { environment }: FromNameOptions = {}): unknown {
  return classByName({ appName, name, environment });
}

/**
 * Classes of deployed apps. As with functions, nothing is sent before the first call of a method.
 *
 * @example
 * const Model = Cls.fromName<typeof import("../backend/app.ts").Model>("shop", "Model");
 * await new Model({ name: "tiny" }).embed.remote("hi");
 */
export const DeployedClasses = { fromName: classFromName } as const;

type AnyHandle = CallableHandle<AnyFunction, AnyFunction> | GeneratorHandle<AnyFunction, AnyFunction>;

type AnyClassHandle = ClassHandle<AnyClass, never>;

/** The functions and classes that a module exports, as they are called by name. */
export type AppRef<M> = {
  readonly [K in keyof M as M[K] extends AnyHandle | AnyClassHandle ? K : never]: M[K] extends AnyClassHandle
    ? DeployedClass<M[K]>
    : DeployedFunction<M[K]>;
};

/** Properties are looked at by tools and by `await`, too: what is no name of a function is undefined. */
const NOT_NAMES = new Set<PropertyKey>(["then", "toJSON"]);

export function appRef<M>(appName: string, options?: FromNameOptions): AppRef<M> {
  checkName(appName, "an app");
  const known = new Map<string, unknown>();
  const get = (_: object, name: PropertyKey): unknown => {
    if (typeof name !== "string" || NOT_NAMES.has(name)) return undefined;
    const handle = known.get(name) ?? functionOrClass(appName, name, options);
    known.set(name, handle);
    return handle;
  };
  return new Proxy({}, { get }) as AppRef<M>;
}

/** Which of the two a name is, only the type knows: a constructor that has what a function has. */
function functionOrClass(appName: string, name: string, options: FromNameOptions = {}): object {
  const { withOptions, ...rest } = Object.getOwnPropertyDescriptors(fromName(appName, name, options));
  return classByName({ appName, name, environment: options.environment }, undefined, (cls) => Object.defineProperties(cls, rest));
}
