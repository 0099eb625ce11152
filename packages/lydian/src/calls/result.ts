// What a result means: a value, or an error of the class that fits.
import {
  type DataFormat,
  errorFromWire,
  type GenericResult,
  LydianError,
  GenericResult_GenericStatus as Status,
  type WireError,
} from "@lydian/protocol";
import {
  ContainerLostError,
  ContainerStartError,
  FunctionCancelledError,
  FunctionTimeoutError,
  OutOfMemoryError,
  RemoteError,
} from "../errors.ts";
import { decodeValue } from "./payload.ts";

/** Resolves to the value, or rejects with the error; `calledFrom` is the caller's stack, which is put under the remote one. */
export async function resultValue(result: GenericResult | undefined, format: DataFormat, calledFrom?: CallerStack): Promise<unknown> {
  if (result?.status === Status.SUCCESS) return decodeValue(result, format);
  throw await resultError(result, format, calledFrom);
}

export async function resultError(result: GenericResult | undefined, format: DataFormat, calledFrom?: CallerStack): Promise<Error> {
  if (!result) return new LydianError("internal", "The server sent an output without a result.");
  const error = (await thrownError(result, format)) ?? serverError(result);
  return withCaller(error, calledFrom);
}

/** The error that user code threw, when it came as data. */
async function thrownError(result: GenericResult, format: DataFormat): Promise<Error | undefined> {
  if (result.dataOneof.case === undefined) return undefined;
  let wire: unknown;
  try {
    wire = await decodeValue(result, format);
  } catch {
    return undefined;
  }
  if (typeof wire !== "object" || wire === null || !("name" in wire) || !("message" in wire)) return undefined;
  const known = wire as WireError;
  const error = errorFromWire(known);
  const isKnown = error.constructor !== Error || (known.class ?? known.name) === "Error";
  if (isKnown) return error;
  // A subclass of Error that sets no name has that of Error: its class says more.
  const remoteName = known.name === "Error" ? (known.class ?? "Error") : known.name;
  return new RemoteError(`${remoteName}: ${known.message}`, { cause: error, remoteName, remoteStack: known.stack });
}

function serverError({ status, exception, traceback }: GenericResult): Error {
  const text = exception || "The call failed, and the server did not say why.";
  switch (status) {
    case Status.TIMEOUT:
      return new FunctionTimeoutError(text);
    case Status.TERMINATED:
      return new FunctionCancelledError(text);
    case Status.INIT_FAILURE:
      return new ContainerStartError(text);
    case Status.INTERNAL_FAILURE:
      return new ContainerLostError(text);
    case Status.KERNEL_OOM_KILL:
    case Status.MEMORY_MANAGER_EVICTION:
    case Status.MEMORY_THRASHING_EVICTION:
      return new OutOfMemoryError(text);
    default:
      return new RemoteError(text, { ...pythonName(text), remoteStack: traceback || undefined });
  }
}

/** Python tells an exception as its `repr`: a class and what it was made with. */
function pythonName(text: string): { readonly remoteName?: string } {
  const [, remoteName] = /^([A-Za-z_]\w*)\(.*\)$/s.exec(text) ?? [];
  return remoteName === undefined ? {} : { remoteName };
}

/** The frames of the function first, then those of who called it. */
function withCaller(error: Error, calledFrom: CallerStack | undefined): Error {
  const frames = calledFrom?.();
  if (frames === undefined || error.stack === undefined) return error;
  Object.defineProperty(error, "stack", {
    value: `${error.stack}\n    --- called from ---\n${frames}`,
    configurable: true,
    writable: true,
  });
  return error;
}

/** The frames of a caller, as text. Asked for only when something failed: writing frames down costs more than taking them. */
export type CallerStack = () => string | undefined;

/** The stack of whoever calls this, without the frames of the SDK itself. */
export function callerStack(): CallerStack {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, callerStack);
  return () => {
    const frames = holder.stack
      ?.split("\n")
      .slice(1)
      .filter((line) => !/\/(packages|node_modules)\/lydian\/|node:internal/.test(line));
    return frames && frames.length > 0 ? frames.join("\n") : undefined;
  };
}
