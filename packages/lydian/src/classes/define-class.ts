// From a class as its author wrote it to what is registered.
import type { RegisteredClass, ServedFunction, StartedInstance } from "@lydian/protocol/core";
import { InvalidError } from "../errors.ts";
import { type AnyFunction, isGeneratorFunction } from "../function-types.ts";
import { resolveOptions } from "../options.ts";
import type { AnyClass, ClassOptions, MemberNames } from "./class-types.ts";
import { type Member, markedMembers } from "./decorators.ts";
import { declaredParameters, shapeOf } from "./parameters.ts";

export type ClassDefinition = Pick<RegisteredClass, "options" | "methods" | "parameters" | "start"> & {
  readonly cls: AnyClass;
  readonly isBatched: boolean;
  /** An instance whose enter hooks have run, and what runs the exit hooks. */
  readonly make: (args: readonly unknown[]) => Promise<{ readonly instance: object; readonly stop: () => Promise<void> }>;
};

type Instance = Record<string, AnyFunction>;

/** Throws InvalidError for options and members that cannot be. */
export function defineClass(
  { methods: names, enter, exit, ...options }: ClassOptions & Partial<MemberNames<string>>,
  cls: AnyClass,
): ClassDefinition {
  if (typeof cls !== "function" || typeof cls.prototype !== "object") throw new InvalidError("app.cls takes options and a class.");
  resolveOptions(options);
  for (const name of ["input", "params", "schedule"] as const) {
    if (options[name] === undefined) continue;
    throw new InvalidError(`\`${name}\` is an option of functions; a class has none.`, {
      hint: name === "schedule" ? "Schedule a function that calls the class." : `Give it to a method: @method({ ${name}: … }).`,
    });
  }
  const members = [...markedMembers(cls), ...named("method", names), ...named("enter", enter), ...named("exit", exit)];
  for (const member of members) checkMember(member, cls);
  const methods = members.filter(({ kind }) => kind === "method");
  if (methods.length === 0) {
    throw new InvalidError(`The class ${cls.name} has no method that can be called from outside.`, {
      hint: 'Put @method() on one, or list its name: app.cls({ methods: ["run"] }, …).',
    });
  }
  const batching = batchingOf(options, methods, cls);
  const make: ClassDefinition["make"] = async (args) => {
    const instance = new cls(...args) as Instance;
    for (const { name, kind } of members) if (kind === "enter") await instance[name]?.();
    const hooks = members.filter(({ kind }) => kind === "exit").map(({ name }) => name);
    return { instance, stop: () => runAll(instance, hooks) };
  };
  return {
    cls,
    options: { ...options, ...(batching && { batched: batching }) },
    isBatched: batching !== undefined,
    parameters: declaredParameters(shapeOf(cls) ?? {}),
    methods: methods.map((member) => ({ name: member.name, ...served(member, cls) })),
    make,
    start: async (args): Promise<StartedInstance> => {
      const { instance, stop } = await make(args);
      const bound = methods.map((member): [string, ServedFunction] => [
        member.name,
        // Bound, so that no frame of ours stands in the user's stacks.
        { ...served(member, cls), handler: (instance as Instance)[member.name]?.bind(instance) as AnyFunction },
      ]);
      return { methods: new Map(bound), stop };
    },
  };
}

const named = (kind: Member["kind"], names: readonly string[] = []): Member[] => names.map((name) => ({ kind, name }));

const served = ({ name, input, params }: Member, cls: AnyClass) => ({
  isGenerator: isGeneratorFunction((cls.prototype as Instance)[name]),
  ...(input === undefined ? {} : { input }),
  ...(params === undefined ? {} : { params }),
});

const KINDS = { method: "method", enter: "enter hook", exit: "exit hook" } as const;

function checkMember({ kind, name }: Member, cls: AnyClass): void {
  if (name !== "constructor" && typeof (cls.prototype as Instance)[name] === "function") return;
  throw new InvalidError(`The ${KINDS[kind]} ${JSON.stringify(name)} is not a method of the class ${cls.name}.`);
}

/** Inputs are gathered for the container, whose methods share one queue: with others, a batched method would wait for what is not its own. */
function batchingOf({ batched }: ClassOptions, methods: readonly Member[], cls: AnyClass) {
  const marked = methods.find((member) => member.batched !== undefined);
  const options = batched ?? marked?.batched;
  if (options === undefined) return undefined;
  resolveOptions({ batched: options });
  const [first, other] = methods;
  if (other) {
    const names = methods.map(({ name }) => name).join(", ");
    throw new InvalidError(`The class ${cls.name} batches and has the methods ${names}; a batched method must be the only one.`, {
      hint: "Make a second class of the others.",
    });
  }
  if (first && served(first, cls).isGenerator) throw new InvalidError(`The method ${first.name} is a generator, which cannot be batched.`);
  return options;
}

async function runAll(instance: Instance, hooks: readonly string[]): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  for (const name of hooks) {
    try {
      await instance[name]?.();
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure) throw failure.error;
}
