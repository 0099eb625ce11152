// What the SDK (bundled with the user's code) and the runtime (supplied by the server) agree on inside one
// Node process. They may be of different versions, so this shape only ever grows.

/** Where `new App()` registers itself: an array of `RegisteredApp` on globalThis. */
export const APPS = Symbol.for("lydian.apps.v1");
/** Where the SDK finds the running app: a `Session` on globalThis, set by the CLI or by the runtime. */
export const SESSION = Symbol.for("lydian.session.v1");
/** The AsyncLocalStorage of the current input, created by whoever comes first. */
export const CURRENT_INPUT = Symbol.for("lydian.current-input.v1");

export interface RegisteredFunction {
  readonly kind: "function";
  /** Undefined until the bundler's footer has bound export names. */
  name: string | undefined;
  /** Source file it was exported from, relative to the bundle root, e.g. "src/hello.ts". */
  file: string | undefined;
  /** As the user wrote them. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly handler: (...args: unknown[]) => unknown;
  readonly isGenerator: boolean;
  /** Standard Schema of the single argument, when the user gave `input`. */
  readonly input?: unknown;
  /** Positional parameter names for callers that pass keywords. */
  readonly params?: readonly string[];
  /** The handle the user exports; identity links exports to registrations. */
  readonly handle: object;
}

/** What answers one input: a function, or a method of an instance. */
export type ServedFunction = Pick<RegisteredFunction, "handler" | "isGenerator" | "input" | "params">;

export interface RegisteredMethod {
  readonly name: string;
  readonly isGenerator: boolean;
  readonly input?: unknown;
  readonly params?: readonly string[];
}

/** One that a class declares for its instances, by the types that the wire has. */
export interface ClassParameter {
  readonly name: string;
  readonly type: "string" | "int" | "bool" | "bytes";
  /** Absent: it must be given. */
  readonly default?: string | number | bigint | boolean | Uint8Array;
}

export interface StartedInstance {
  readonly methods: ReadonlyMap<string, ServedFunction>;
  /** Runs the exit hooks, all of them, and throws what the first of them threw. */
  readonly stop: () => Promise<void>;
}

/** A class is served by one function, named "Class.*"; each of its containers has one instance. */
export interface RegisteredClass {
  readonly kind: "class";
  name: string | undefined;
  file: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  readonly methods: readonly RegisteredMethod[];
  readonly parameters: readonly ClassParameter[];
  /** Makes an instance and runs its enter hooks. */
  readonly start: (args: readonly unknown[]) => Promise<StartedInstance>;
  readonly handle: object;
}

/** Name of the function that serves a class. */
export const serviceName = (className: string): string => `${className}.*`;

/**
 * Name of the one parameter, of bytes, that carries the constructor's arguments of a class without declared parameters: a CBOR list.
 * No declared parameter can have it.
 */
export const CONSTRUCTOR_ARGUMENTS = "$arguments";

export interface RegisteredEntrypoint {
  readonly kind: "entrypoint";
  name: string | undefined;
  file: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  readonly handler: (args: never) => unknown;
  readonly handle: object;
}

export interface RegisteredApp {
  readonly name: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  readonly registered: (RegisteredFunction | RegisteredClass | RegisteredEntrypoint)[];
}

/** A connection and the app that is running over it. */
export interface Session {
  /** http://host:port or unix:///path. */
  readonly serverUrl: string;
  /** Absent inside a container: the socket is the identity. */
  readonly token?: { readonly id: string; readonly secret: string };
  readonly environment: string;
  readonly appId: string;
  /** By function name. */
  readonly functionIds: Readonly<Record<string, string>>;
}

/** The input a handler is working on. */
export interface InputContext {
  readonly inputId: string;
  readonly functionCallId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** When the per-input timeout ends it. */
  readonly deadline: Date;
  /** Aborted when the input is cancelled, times out or the container stops. */
  readonly signal: AbortSignal;
}

/** In containers of the official runtime, which cannot read and write blobs over a socket: the loopback port that stands for it. */
export const CONTAINER_HTTP_PORT = 61_437;
