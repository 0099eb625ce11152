// The object that `app.cls` returns: a constructor of handles.
import type { RegisteredClass, StartedInstance } from "@lydian/protocol/core";
import { InvalidError } from "../errors.ts";
import { makeHandle } from "../function-handle.ts";
import type { AnyFunction } from "../function-types.ts";
import { mergeOptions, type Variant, type VariantOptions } from "../variant.ts";
import type { AnyClass, ClassHandle } from "./class-types.ts";
import type { ClassDefinition } from "./define-class.ts";
import { parameterValues, shapeOf } from "./parameters.ts";

/** `registration` is asked when it is needed: names are bound after the handle was made. */
export function makeClassHandle(
  registration: () => RegisteredClass,
  definition: ClassDefinition,
  options?: VariantOptions,
): ClassHandle<AnyClass> {
  const Remote = function (...args: unknown[]) {
    if (!new.target) throw new InvalidError("A class is called through an instance: new Model(…).method.remote(…).");
    return remoteInstance(registration, definition, variantOf(definition, args, options), args);
  };
  const withOptions = (more: VariantOptions) =>
    makeClassHandle(registration, definition, mergeOptions(options, more, definition.isBatched));
  Object.defineProperties(Remote, {
    name: { get: () => registration().name ?? "", configurable: true },
    local: { value: (...args: unknown[]) => localInstance(definition, args) },
    withOptions: { value: withOptions },
    withConcurrency: { value: (concurrent: NonNullable<VariantOptions["concurrent"]>) => withOptions({ concurrent }) },
    withBatching: { value: (batched: NonNullable<VariantOptions["batched"]>) => withOptions({ batched }) },
  });
  return Remote as unknown as ClassHandle<AnyClass>;
}

/** Undefined for the class as it is, made with nothing. Throws InvalidError for parameters that do not fit. */
function variantOf({ cls }: ClassDefinition, args: readonly unknown[], options: VariantOptions | undefined): Variant | undefined {
  const shape = shapeOf(cls);
  if (shape !== undefined) return { parameters: parameterValues(shape, args[0]), ...(options && { options }) };
  if (args.length > 0) return { args, ...(options && { options }) };
  return options && { options };
}

function remoteInstance(registration: () => RegisteredClass, definition: ClassDefinition, variant: Variant | undefined, args: unknown[]) {
  let started: Promise<StartedInstance> | undefined;
  const local = async (name: string) => {
    started ??= definition.start(args);
    return (await started).methods.get(name)?.handler as AnyFunction;
  };
  const handles = definition.methods.map(({ name, isGenerator }) => {
    const here = isGenerator
      ? async function* (...each: unknown[]) {
          yield* (await local(name))(...each);
        }
      : async (...each: unknown[]) => (await local(name))(...each);
    return [name, makeHandle(registration, here, isGenerator, {}, { method: name, variant, isBatched: definition.isBatched })];
  });
  return Object.fromEntries(handles) as object;
}

async function localInstance({ make }: ClassDefinition, args: readonly unknown[]): Promise<object> {
  const { instance, stop } = await make(args);
  return Object.defineProperty(instance, Symbol.asyncDispose, { value: stop, configurable: true });
}
