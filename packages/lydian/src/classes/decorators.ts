// Marks on methods of a class: which are called from outside, and which run when its container starts and ends.
import type { BatchedOptions } from "../batched.ts";
import { InvalidError } from "../errors.ts";

/** A method that other processes call, or a hook. */
export interface Member {
  readonly kind: "method" | "enter" | "exit";
  readonly name: string;
  readonly batched?: BatchedOptions | undefined;
  readonly input?: unknown;
  readonly params?: readonly string[] | undefined;
}

export interface MethodOptions {
  /** Standard Schema of the one argument, checked in the container. */
  readonly input?: unknown;
  /** Names of the positional parameters, for callers that pass keywords. */
  readonly params?: readonly string[];
}

// What TypeScript itself leaves undefined: without it there is no object to keep the marks in.
const METADATA: symbol = (Symbol as { readonly metadata?: symbol }).metadata ?? Symbol.for("Symbol.metadata");
if (!("metadata" in Symbol)) Object.defineProperty(Symbol, "metadata", { value: METADATA });

const MEMBERS = Symbol.for("lydian.members.v1");

type Returning<This, A extends unknown[], R> = (this: This, ...args: A) => R;

/** The signature of `experimentalDecorators`. */
type Legacy = (prototype: object, key: string | symbol, descriptor: PropertyDescriptor) => void;

export interface HookDecorator extends Legacy {
  <This>(value: Returning<This, [], unknown>, context: ClassMethodDecoratorContext<This, Returning<This, [], unknown>>): void;
}

export interface MethodDecorator extends Legacy {
  <This, A extends unknown[], R>(value: Returning<This, A, R>, context: ClassMethodDecoratorContext<This, Returning<This, A, R>>): void;
}

/** Before the container takes its first call. What it throws is a failed start, and callers get it. */
export const enter = (): HookDecorator => mark("enter") as HookDecorator;

/** When the container ends in an orderly way, after its last call. */
export const exit = (): HookDecorator => mark("exit") as HookDecorator;

/**
 * A method that is called from outside.
 *
 * @example
 * class Greeter {
 *   @method() async greet(name: string) { return `hello ${name}`; }
 * }
 */
export const method = (options: MethodOptions = {}): MethodDecorator => mark("method", options) as MethodDecorator;

/**
 * A method that works on several calls at once: its parameters are lists, typed `Batch<T>`, callers send one item each, and it returns a
 * list with one result for each. A class that has one has no other method.
 */
export const batched = (options: BatchedOptions): MethodDecorator => mark("method", { batched: options }) as MethodDecorator;

/** Of a class that is compiled without `experimentalDecorators`. */
interface Context {
  readonly kind: string;
  readonly name: string | symbol;
  readonly static: boolean;
  readonly private: boolean;
  readonly metadata: object;
}

function mark(kind: Member["kind"], more: Omit<Member, "kind" | "name"> = {}) {
  return (value: unknown, context: unknown): void => {
    if (typeof context === "object" && context !== null && "kind" in context) {
      const { kind: what, name, metadata, static: isStatic, private: isPrivate } = context as Context;
      if (what !== "method" || isStatic) throw new InvalidError(`@${kind} belongs on a method of instances, not on ${String(name)}.`);
      if (isPrivate) {
        throw new InvalidError(`@${kind} cannot be on ${String(name)}, which only the class itself can call.`, {
          hint: "Make it `private` or `protected` instead of giving it a #name.",
        });
      }
      own(metadata).push({ kind, name: String(name), ...more });
      return;
    }
    own((value as object).constructor).push({ kind, name: String(context), ...more });
  };
}

function own(holder: object): Member[] {
  if (!Object.hasOwn(holder, MEMBERS)) Object.defineProperty(holder, MEMBERS, { value: [] });
  return (holder as Record<symbol, Member[]>)[MEMBERS] ?? [];
}

/** Those of base classes first. What a subclass marks again counts as the subclass has it. */
export function markedMembers(cls: object): Member[] {
  const chain: object[] = [];
  for (let at: object | null = cls; at !== null && at !== Function.prototype; at = Object.getPrototypeOf(at) as object | null)
    chain.unshift(at);
  const found = new Map<string, Member>();
  for (const each of chain) {
    const metadata = Object.hasOwn(each, METADATA) ? (each as Record<symbol, unknown>)[METADATA] : undefined;
    for (const holder of [metadata, each]) {
      if (!holder || !Object.hasOwn(holder as object, MEMBERS)) continue;
      for (const member of own(holder as object)) found.set(`${member.kind} ${member.name}`, member);
    }
  }
  return [...found.values()];
}
