// Tells a reader what went wrong with a call that got no gRPC status.
import { type ClientHttp2Stream, constants } from "node:http2";
import { LydianError } from "../errors.ts";
import type { ClientSession } from "./client-session.ts";
import type { Failure } from "./status.ts";

// What a proxy in between means by an HTTP status (the mapping of the gRPC documents).
const BY_HTTP_STATUS: Readonly<Record<number, Failure["code"]>> = {
  401: "unauthenticated",
  403: "permission_denied",
  404: "unimplemented",
  429: "unavailable",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};

export function httpFailure(url: string, status: number): Failure {
  const message = `${url} answered HTTP ${status}, not gRPC`;
  return { code: BY_HTTP_STATUS[status] ?? "unknown", message, hint: "Check that the URL is that of a Lydian server." };
}

/** For a stream that closed before a status arrived. */
export function closedFailure(url: string, path: string, session: ClientSession, stream: ClientHttp2Stream): Failure {
  const error = session.error as NodeJS.ErrnoException | undefined;
  if (!session.usable || error !== undefined) return connectionFailure(url, path, error);
  const code = stream.rstCode;
  if (code === constants.NGHTTP2_REFUSED_STREAM) return { code: "unavailable", message: `the server at ${url} takes no calls now` };
  if (code === constants.NGHTTP2_ENHANCE_YOUR_CALM) {
    return { code: "resource_exhausted", message: `the server at ${url} is asked too much at once (${path})` };
  }
  // A server that ends without ceremony resets its streams first; that its connection goes, too, is only known a moment later.
  if (code === constants.NGHTTP2_NO_ERROR || code === constants.NGHTTP2_CANCEL) return connectionFailure(url, path, undefined);
  return { code: "internal", message: `${path} ended without a status (HTTP/2 code ${code})` };
}

function connectionFailure(url: string, path: string, cause: NodeJS.ErrnoException | undefined): Failure {
  if (cause?.syscall === "connect" || cause?.syscall === "getaddrinfo") {
    const message = `cannot reach the server at ${url}: ${cause.message}`;
    if (cause.code === "EACCES") return { code: "permission_denied", message, cause, hint: "The socket belongs to another user." };
    const hint = "Check that the server runs and that the URL is right.";
    return { code: "unavailable", message, cause, hint, connectionLost: true };
  }
  const why = cause === undefined ? "" : `: ${cause.message}`;
  const message = `the connection to ${url} was lost before ${path} was answered${why}`;
  return { code: "unavailable", message, cause, connectionLost: true };
}

/** The error of a failure, with the stack of whoever calls this. */
export function errorOf(failure: Failure): LydianError {
  const { code, message, hint, cause, retryAfterMs } = failure;
  return new LydianError(code, message, { hint, retryAfterMs, ...(cause !== undefined && { cause }) });
}
