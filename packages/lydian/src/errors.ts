// What the SDK throws. Every class has a stable `code`; `LydianError.is(e)` recognises them across copies of the package.
import { type ErrorCode, LydianError, type LydianErrorOptions, registerError } from "@lydian/protocol/core";

export { LydianError, registerError, SerializationError } from "@lydian/protocol/core";

/** Something was asked for in a way that cannot work: an option, a name, an order of calls. */
export class InvalidError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("invalid_argument", message, options);
  }
}

/** What was named does not exist, or not any more. */
export class NotFoundError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("not_found", message, options);
  }
}

/** The credentials are missing or wrong. */
export class AuthError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("unauthenticated", message, options);
  }
}

/** The name, or what else it would be, is taken. */
export class AlreadyExistsError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("already_exists", message, options);
  }
}

/** Not in the state that what was asked for needs, e.g. a sandbox that has ended. */
export class ConflictError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("failed_precondition", message, options);
  }
}

/** A wait of the caller's own ran out: `call.get({ timeout })`. The call itself goes on. */
export class TimeoutError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("deadline_exceeded", message, options);
  }
}

/** An input ran longer than its function's `timeout`. */
export class FunctionTimeoutError extends TimeoutError {}

/** The call was cancelled, or its app was stopped. */
export class FunctionCancelledError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("cancelled", message, options);
  }
}

/** No container of the function could start; the message has the reason and the last lines that it printed. */
export class ContainerStartError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("failed_precondition", message, options);
  }
}

/** The containers that worked on the input died: how, is in the message. */
export class ContainerLostError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("unavailable", message, options);
  }
}

/** The container exceeded its `memory`. */
export class OutOfMemoryError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("resource_exhausted", message, options);
  }
}

export interface RemoteErrorOptions extends LydianErrorOptions {
  /** Class of the original, e.g. "OutOfStock". */
  readonly remoteName?: string;
  readonly remoteStack?: string | undefined;
}

/** User code threw something that is not of a class known here. `registerError` makes a class known. */
export class RemoteError extends LydianError {
  readonly remoteName: string;
  readonly remoteStack: string | undefined;

  constructor(message: string, options: RemoteErrorOptions = {}) {
    super("unknown", message, options);
    this.remoteName = options.remoteName ?? "Error";
    this.remoteStack = options.remoteStack;
  }
}

/**
 * Thrown by a handler: this input will never work, so no attempt more.
 *
 * @example
 * if (age < 0) throw new NonRetriableError(`age must not be negative, got ${age}`);
 */
export class NonRetriableError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("invalid_argument", message, options);
  }
}

/**
 * Thrown by a handler: try this input again, but not before some time has passed. Counts against `retries`.
 *
 * @example
 * if (response.status === 429) throw new RetryAfterError("rate limit", 30_000);
 */
export class RetryAfterError extends LydianError {
  readonly after: number;

  /** @param afterMs milliseconds */
  constructor(message: string, afterMs: number, options?: LydianErrorOptions) {
    super("unavailable", message, options);
    this.after = afterMs;
  }
}

const CLASSES = {
  InvalidError,
  NotFoundError,
  AuthError,
  AlreadyExistsError,
  ConflictError,
  TimeoutError,
  FunctionTimeoutError,
  FunctionCancelledError,
  ContainerStartError,
  ContainerLostError,
  OutOfMemoryError,
  RemoteError,
  NonRetriableError,
  RetryAfterError,
};
for (const [name, errorClass] of Object.entries(CLASSES)) {
  // On the prototype, so that a minifier does not rename what people and registries read.
  Object.defineProperty(errorClass.prototype, "name", { value: name, writable: true, configurable: true });
  registerError(errorClass, name);
}

const BY_CODE: Partial<Record<ErrorCode, new (message: string, options?: LydianErrorOptions) => LydianError>> = {
  invalid_argument: InvalidError,
  not_found: NotFoundError,
  already_exists: AlreadyExistsError,
  failed_precondition: ConflictError,
  unauthenticated: AuthError,
  deadline_exceeded: TimeoutError,
};

/** An error of the server as one of the classes above, where one fits. */
export function typedError(error: unknown): unknown {
  if (!LydianError.is(error) || error.constructor !== LydianError) return error;
  const errorClass = BY_CODE[error.code];
  return errorClass
    ? new errorClass(error.message, { cause: error.cause, ...(error.hint === undefined ? {} : { hint: error.hint }) })
    : error;
}

/** For rejected calls of the server. */
export function rethrow(error: unknown): never {
  throw typedError(error);
}
