// Classes of deployed apps, by name: what they take and do is asked of the server with the first call.

import { serviceName } from "@lydian/protocol/core";
import type { FromNameOptions } from "../deployed.ts";
import { InvalidError } from "../errors.ts";
import { makeHandle } from "../function-handle.ts";
import type { DeployedFunction, UntypedFunction } from "../function-types.ts";
import { checkName } from "../registry.ts";
import { mergeOptions, type Variant, type VariantOptions } from "../variant.ts";

interface Variants {
  /** The same class with other options, in containers of its own. Nothing is sent until a method is called. */
  withOptions(options: VariantOptions): this;
  /** Short for `withOptions({ concurrent })`. */
  withConcurrency(concurrent: NonNullable<VariantOptions["concurrent"]>): this;
  /** Short for `withOptions({ batched })`, of a class with a batched method. */
  withBatching(batched: NonNullable<VariantOptions["batched"]>): this;
}

/** A class called by name: `H` is the type of what `app.cls` returned, or of a constructor. */
export type DeployedClass<H> = H extends new (
  ...args: infer A
) => infer I
  ? (new (...args: A) => { readonly [M in keyof I]: DeployedFunction<I[M]> }) & Variants
  : never;

/** Of which nothing is known. */
export type UntypedClass = (new (parameters?: Readonly<Record<string, unknown>>) => Readonly<Record<string, UntypedFunction>>) & Variants;

function fromName(appName: string, name: string, options?: FromNameOptions): UntypedClass;
function fromName<H>(appName: string, name: string, options?: FromNameOptions): DeployedClass<H>;
function fromName(appName: string, name: string, options: FromNameOptions = {}): unknown {
  checkName(appName, "an app");
  checkName(name, "a class");
  return deployedClass({ appName, name, environment: options.environment });
}

/**
 * Classes of deployed apps, whatever language they are written in. Nothing is sent before the first call of a method.
 *
 * @example
 * import type { Counter } from "../backend/app.ts";
 * const Remote = Cls.fromName<typeof Counter>("shop", "Counter");
 * await new Remote({ name: "a" }).next.remote();
 */
export const Cls = { fromName } as const;

interface ClassName {
  readonly appName: string;
  readonly name: string;
  readonly environment: string | undefined;
}

function deployedClass(cls: ClassName, options?: VariantOptions): unknown {
  const Remote = function (...args: unknown[]) {
    if (!new.target) throw new InvalidError("A class is called through an instance: new Model(…).method.remote(…).");
    return instance(cls, { given: args, ...(options && { options }) });
  };
  const withOptions = (more: VariantOptions) => deployedClass(cls, mergeOptions(options, more, true));
  Object.defineProperties(Remote, {
    name: { value: cls.name },
    withOptions: { value: withOptions },
    withConcurrency: { value: (concurrent: NonNullable<VariantOptions["concurrent"]>) => withOptions({ concurrent }) },
    withBatching: { value: (batched: NonNullable<VariantOptions["batched"]>) => withOptions({ batched }) },
  });
  return Remote;
}

/** Looked at by tools and by `await`, too. */
const NOT_METHODS = new Set<PropertyKey>(["then", "toJSON"]);

function instance({ name, ...place }: ClassName, variant: Variant): object {
  const known = new Map<string, object>();
  const get = (_: object, method: PropertyKey): unknown => {
    if (typeof method !== "string" || NOT_METHODS.has(method)) return undefined;
    const part = { method, variant, isBatched: true, deployed: { ...place, name: serviceName(name) } };
    const handle = known.get(method) ?? makeHandle(() => ({ name }), undefined, "unknown", {}, part);
    known.set(method, handle);
    return handle;
  };
  return new Proxy({}, { get });
}
