// Classes of deployed apps. What their parameters are is known when the class has been looked up, with the first call of a method.
import { serviceName } from "@lydian/protocol/core";
import { InvalidError } from "../errors.ts";
import { makeHandle } from "../function-handle.ts";
import type { DeployedFunction, UntypedFunction } from "../function-types.ts";
import { checkName } from "../registry.ts";
import { mergeOptions, type VariantOptions } from "../variant.ts";
import type { AnyClass, ClassHandle, RemoteInstance } from "./class-types.ts";

/** What is called by name: `H` is the type of what `app.cls` returned. */
export type DeployedClass<H> = H extends ClassHandle<infer C, infer K> ? ClassByName<C, K> : never;

interface Variants {
  /** The same class with other options, in containers of its own. Nothing is sent until a method is called. */
  withOptions(options: VariantOptions): this;
  /** Short for `withOptions({ concurrent })`. */
  withConcurrency(concurrent: NonNullable<VariantOptions["concurrent"]>): this;
  /** Short for `withOptions({ batched })`, of a class with a batched method. */
  withBatching(batched: NonNullable<VariantOptions["batched"]>): this;
}

interface ClassByName<C extends AnyClass, K extends keyof InstanceType<C>> extends Variants {
  /** Takes what the constructor takes, or the declared parameters. Each combination has containers of its own, each with one instance. */
  new (...args: ConstructorParameters<C>): Deployed<RemoteInstance<InstanceType<C>, K>>;
}

type Deployed<I> = { readonly [P in keyof I]: DeployedFunction<I[P]> };

/** Of which nothing is known. */
export interface UntypedClass extends Variants {
  new (...args: unknown[]): { readonly [method: string]: UntypedFunction };
}

/** `await` and tools look at properties, too. */
const NOT_NAMES = new Set<PropertyKey>(["then", "toJSON"]);

export interface ClassName {
  readonly appName: string;
  readonly name: string;
  readonly environment: string | undefined;
}

/** `adorn` may add to each constructor that is made. */
export function classByName(of: ClassName, options?: VariantOptions, adorn: (cls: object) => void = () => {}): UntypedClass {
  checkName(of.appName, "an app");
  checkName(of.name, "a class");
  const Remote = function (...args: unknown[]) {
    if (!new.target) throw new InvalidError("A class is called through an instance: new Model(…).method.remote(…).");
    return instanceByName(of, args, options);
  };
  Object.defineProperty(Remote, "name", { value: of.name, configurable: true });
  adorn(Remote);
  // What the class batches is checked by the server.
  const withOptions = (more: VariantOptions) => classByName(of, mergeOptions(options, more, true), adorn);
  Object.defineProperties(Remote, {
    withOptions: { value: withOptions },
    withConcurrency: { value: (concurrent: NonNullable<VariantOptions["concurrent"]>) => withOptions({ concurrent }) },
    withBatching: { value: (batched: NonNullable<VariantOptions["batched"]>) => withOptions({ batched }) },
  });
  return Remote as unknown as UntypedClass;
}

function instanceByName(of: ClassName, given: readonly unknown[], options: VariantOptions | undefined): object {
  const deployed = { ...of, name: serviceName(of.name), className: of.name };
  const variant = { given, ...(options && { options }) };
  const known = new Map<string, unknown>();
  const get = (_: object, method: PropertyKey): unknown => {
    if (typeof method !== "string" || NOT_NAMES.has(method)) return undefined;
    const handle = known.get(method) ?? makeHandle(() => ({ name: of.name }), undefined, "unknown", {}, { method, variant, deployed });
    known.set(method, handle);
    return handle;
  };
  return new Proxy({}, { get });
}
