import type { RegisteredApp, RegisteredClass, RegisteredEntrypoint, RegisteredFunction } from "@lydian/protocol/core";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type BatchedOptions, checkedBatch } from "./batched.ts";
import { makeClassHandle } from "./classes/class-handle.ts";
import type { AnyClass, ClassHandle, ClassOptions, MemberNames } from "./classes/class-types.ts";
import { defineClass } from "./classes/define-class.ts";
import { type AppRef, appRef, type FromNameOptions } from "./deployed.ts";
import { InvalidError } from "./errors.ts";
import { makeHandle } from "./function-handle.ts";
import { type AnyFunction, type BatchedHandle, type FunctionHandle, type Handler, isGeneratorFunction } from "./function-types.ts";
import { Image } from "./image/image.ts";
import { type FunctionOptions, resolveOptions } from "./options.ts";
import { checkName, isName, refuseDuplicate, registeredApps } from "./registry.ts";
import type { Cron, Period } from "./schedule.ts";
import { checkSecrets, type Secret } from "./secret.ts";

export interface AppOptions {
  /** Of functions that name none. Default: a small Debian with Node 24. */
  readonly image?: Image;
  /** Of all functions. */
  readonly secrets?: readonly Secret[];
  /** For people who look at lists of apps. */
  readonly tags?: Readonly<Record<string, string>>;
}

export interface EntrypointOptions<S> {
  /** Default: the handler's name, else "main". */
  readonly name?: string;
  /** An object schema with Standard Schema and Standard JSON Schema (zod, arktype, valibot): its properties become flags. */
  readonly args?: S;
  /** Properties that are taken from words without a flag, in order. */
  readonly positionals?: readonly string[];
  /** One-letter flags by property. */
  readonly short?: Readonly<Record<string, string>>;
}

type Input<S> = S extends StandardSchemaV1<infer I, unknown> ? I : never;
type Output<S> = S extends StandardSchemaV1<unknown, infer O> ? O : never;

/**
 * A set of functions that is run, and later deployed, together. Create it and register its functions at the top level of a module.
 *
 * @example
 * export const app = new App("hello");
 * export const square = app.function(async (x: number) => x * x);
 * app.localEntrypoint(async () => console.log(await square.remote(3)));
 */
export class App implements RegisteredApp {
  readonly name: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  readonly registered: (RegisteredFunction | RegisteredClass | RegisteredEntrypoint)[] = [];

  /** Throws InvalidError for a name or an option that cannot be. */
  constructor(name?: string, options: AppOptions = {}) {
    if (name !== undefined) checkName(name, "an app");
    for (const option of Object.keys(options)) {
      if (option !== "image" && option !== "secrets" && option !== "tags")
        throw new InvalidError(`The app option \`${option}\` is not served yet, so it cannot be given.`, {
          hint: "Served are: image, secrets, tags.",
        });
    }
    if (options.image !== undefined && !Image.is(options.image)) throw new InvalidError("`image` must be an Image, e.g. Image.node().");
    if (options.secrets !== undefined) checkSecrets(options.secrets);
    this.name = name;
    this.options = { ...options };
    registeredApps().push(this);
  }

  /** With a schema for the one argument, which is checked in the container. */
  function<S extends StandardSchemaV1, R>(
    options: FunctionOptions & { readonly input: S },
    handler: (input: Output<S>) => R,
  ): FunctionHandle<(input: Input<S>) => R>;
  /** With a schedule, by which it is called without arguments. */
  function<F extends () => unknown>(
    options: FunctionOptions & { readonly schedule: Cron | Period; readonly input?: never },
    handler: F,
  ): FunctionHandle<F>;
  /** With batching: the handler gets a list for each parameter and returns a list with one result for each item. */
  function<F extends (...lists: never[][]) => readonly unknown[] | Promise<readonly unknown[]>>(
    options: FunctionOptions & { readonly batched: BatchedOptions; readonly input?: never; readonly schedule?: never },
    handler: F,
  ): BatchedHandle<F extends AnyFunction ? F : never>;
  /**
   * Makes a function that can run in containers. The handler runs there as if the module had been loaded there: variables of this
   * process do not travel.
   */
  function<F extends Handler>(
    options: FunctionOptions & { readonly input?: never; readonly schedule?: never; readonly batched?: never },
    handler: F,
  ): FunctionHandle<F extends AnyFunction ? F : never>;
  function<F extends Handler>(handler: F): FunctionHandle<F extends AnyFunction ? F : never>;
  function(first: FunctionOptions | AnyFunction, second?: AnyFunction): FunctionHandle<AnyFunction> {
    const [options, handler] = typeof first === "function" ? [{}, first] : [first, second];
    if (typeof handler !== "function") throw new InvalidError("app.function takes options and a handler, or a handler alone.");
    const isBatched = resolveOptions(options).batch !== undefined;
    if (options.name !== undefined) {
      checkName(options.name, "a function");
      refuseDuplicate(this, options.name);
    }
    // The handler's name is a suggestion, until the export decides: one that is taken counts as none.
    const suggested = this.registered.some((other) => other.name === handler.name) ? undefined : ownName(handler);
    const name = options.name ?? suggested;
    const isGenerator = isGeneratorFunction(handler);
    if (isBatched && isGenerator) throw new InvalidError("A generator yields to one caller, so it cannot be `batched`.");
    const local = isBatched ? checkedBatch(handler) : handler;
    const handle = makeHandle(() => registration, local, isGenerator, {}, { isBatched });
    const registration: RegisteredFunction = {
      kind: "function",
      name,
      file: undefined,
      options: { ...options },
      handler: handler as RegisteredFunction["handler"],
      isGenerator,
      handle,
      ...(options.input === undefined ? {} : { input: options.input }),
      ...(options.params === undefined ? {} : { params: options.params }),
    };
    this.registered.push(registration);
    return handle;
  }

  /**
   * Makes a class whose instances live in containers, one in each. Methods are those with @method() or @batched(), or those that
   * `methods` names; hooks run when the container starts and ends.
   *
   * @example
   * export const Counter = app.cls({}, class Counter {
   *   #count = 0;
   *   @method() async next() { return ++this.#count; }
   * });
   * console.log(await new Counter().next.remote());
   */
  cls<C extends AnyClass, const M extends keyof InstanceType<C> & string>(
    options: ClassOptions & MemberNames<M>,
    cls: C,
  ): ClassHandle<C, M>;
  cls<C extends AnyClass>(options: ClassOptions, cls: C): ClassHandle<C>;
  cls(options: ClassOptions & Partial<MemberNames<string>>, cls: AnyClass): ClassHandle<AnyClass> {
    const definition = defineClass(options, cls);
    if (options.name !== undefined) {
      checkName(options.name, "a class");
      refuseDuplicate(this, options.name);
    }
    const suggested = this.registered.some((other) => other.name === cls.name) ? undefined : ownName(cls);
    const { methods, parameters, start } = definition;
    const handle = makeClassHandle(() => registration, definition);
    const registration: RegisteredClass = {
      kind: "class",
      name: options.name ?? suggested,
      file: undefined,
      options: definition.options,
      methods,
      parameters,
      start,
      handle,
    };
    this.registered.push(registration);
    return handle;
  }

  /** Code that `lydian run` runs on this machine, with flags from a schema. */
  localEntrypoint<S extends StandardSchemaV1>(
    options: EntrypointOptions<S> & { readonly args: S },
    main: (args: Output<S>) => unknown,
  ): void;
  /** Without a schema it gets the words of the command line. */
  localEntrypoint(options: EntrypointOptions<undefined>, main: (words: readonly string[]) => unknown): void;
  localEntrypoint(main: (words: readonly string[]) => unknown): void;
  localEntrypoint(first: EntrypointOptions<unknown> | ((args: never) => unknown), second?: (args: never) => unknown): void {
    const [options, handler] = typeof first === "function" ? [{}, first] : [first, second];
    if (typeof handler !== "function") throw new InvalidError("app.localEntrypoint takes options and a function, or a function alone.");
    const name = options.name ?? ownName(handler) ?? "main";
    checkName(name, "an entrypoint");
    refuseDuplicate(this, name);
    this.registered.push({ kind: "entrypoint", name, file: undefined, options: { ...options }, handler, handle: handler });
  }

  /**
   * A deployed app by its name, with a handle for each function that a module exports. The type argument is the type of that module; it is
   * imported for its type only. A function with a `name` of its own is called by that: `Function.fromName`.
   *
   * @example
   * const shop = App.ref<typeof import("../backend/shop.ts")>("shop");
   * await shop.square.remote(3);
   */
  static ref<M>(appName: string, options?: FromNameOptions): AppRef<M> {
    return appRef(appName, options);
  }

  /** Takes over what another app has registered. */
  include(other: App): this {
    const added = [...other.registered];
    for (const { name } of added) if (name !== undefined) refuseDuplicate(this, name);
    this.registered.push(...added);
    return this;
  }
}

/** What tools call functions that have no name of their own. */
const NAMES_OF_TOOLS = new Set(["handler", "default", "_a", "main"]);
const ownName = ({ name }: { readonly name: string }): string | undefined => (isName(name) && !NAMES_OF_TOOLS.has(name) ? name : undefined);
