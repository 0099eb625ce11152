// One error class and one registry of codes for every package, whichever door an error leaves through.

interface ErrorKind {
  /** Status number on the gRPC wire. */
  readonly grpc: number;
  readonly http: number;
  /** Whose mistake it is: a `user` fault is answered with its message, a `system` fault is also logged by the server. */
  readonly fault: "user" | "system";
  /** Whether the same request may succeed a little later. */
  readonly retryable: boolean;
}

export type ErrorCode =
  | "cancelled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorKind>> = {
  cancelled: { grpc: 1, http: 499, fault: "user", retryable: false },
  unknown: { grpc: 2, http: 500, fault: "system", retryable: false },
  invalid_argument: { grpc: 3, http: 400, fault: "user", retryable: false },
  deadline_exceeded: { grpc: 4, http: 504, fault: "user", retryable: false },
  not_found: { grpc: 5, http: 404, fault: "user", retryable: false },
  already_exists: { grpc: 6, http: 409, fault: "user", retryable: false },
  permission_denied: { grpc: 7, http: 403, fault: "user", retryable: false },
  resource_exhausted: { grpc: 8, http: 429, fault: "user", retryable: false },
  failed_precondition: { grpc: 9, http: 400, fault: "user", retryable: false },
  aborted: { grpc: 10, http: 409, fault: "user", retryable: false },
  out_of_range: { grpc: 11, http: 400, fault: "user", retryable: false },
  unimplemented: { grpc: 12, http: 501, fault: "user", retryable: false },
  internal: { grpc: 13, http: 500, fault: "system", retryable: false },
  unavailable: { grpc: 14, http: 503, fault: "system", retryable: true },
  data_loss: { grpc: 15, http: 500, fault: "system", retryable: false },
  unauthenticated: { grpc: 16, http: 401, fault: "user", retryable: false },
};

const BY_GRPC_STATUS = new Map<number, ErrorCode>();
for (const [code, kind] of Object.entries(ERROR_CODES)) BY_GRPC_STATUS.set(kind.grpc, code as ErrorCode);

/** The code of a gRPC status number; `unknown` for a number that no code has. */
export function codeFromGrpc(status: number): ErrorCode {
  return BY_GRPC_STATUS.get(status) ?? "unknown";
}

// Registered, so that an error of the SDK's copy of this package is recognised by the runtime's.
const BRAND: unique symbol = Symbol.for("lydian.error") as never;

/** One detail of a gRPC status. */
export interface WireDetail {
  /** The full name of the message, e.g. "modal.client.FunctionLookupError". */
  readonly type: string;
  /** The message in protobuf's binary format. */
  readonly value: Uint8Array;
}

export interface LydianErrorOptions {
  /** The next step for the reader. Callers get it beside the message, or at its end when they are not ours. */
  hint?: string | undefined;
  /** The same in the words of the official clients, where those are others, e.g. another command. */
  officialHint?: string | undefined;
  cause?: unknown;
  /** Anything a catcher in the same process may need. Never sent over the wire. */
  details?: unknown;
  /** A message that official clients understand beside the code. Sent over the wire. */
  wireDetail?: WireDetail | undefined;
  /** Tells a caller to try again after this many milliseconds, and makes the error retryable. */
  retryAfterMs?: number | undefined;
}

/**
 * What fails in Lydian fails with this class (or a subclass of it).
 *
 * @example
 * throw new LydianError("not_found", `no app named "${name}" in environment "${environment}"`, { hint: "See `lydian app list`." });
 */
export class LydianError extends Error {
  readonly code: ErrorCode;
  declare readonly hint?: string;
  declare readonly officialHint?: string;
  declare readonly details?: unknown;
  declare readonly retryAfterMs?: number;
  declare readonly wireDetail?: WireDetail;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: LydianErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = ERROR_CODES[code].retryable || options.retryAfterMs !== undefined;
    if (options.hint !== undefined) this.hint = options.hint;
    if (options.officialHint !== undefined) this.officialHint = options.officialHint;
    if (options.details !== undefined) this.details = options.details;
    if (options.wireDetail !== undefined) this.wireDetail = options.wireDetail;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }

  get [BRAND](): true {
    return true;
  }

  /** True for an error of this class from any copy of this package in the process. */
  static is(value: unknown): value is LydianError {
    return typeof value === "object" && value !== null && (value as { [BRAND]?: unknown })[BRAND] === true;
  }
}

// On the prototype, so that it is no own field of each error and stack traces print it.
Object.defineProperty(LydianError.prototype, "name", { value: "LydianError", writable: true, configurable: true });
