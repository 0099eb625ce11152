// How a client reaches the HTTP side of this server: the way it came, unless the configuration knows better.
import { type CallContext, CONTAINER_HTTP_PORT, LydianError } from "@lydian/protocol";
import type { Caller } from "./identity/caller.ts";

/** e.g. "http://127.0.0.1:7811", without a slash at the end. Throws `invalid_argument` when the request names no host. */
export function publicUrlFor(context: CallContext<Caller>, configured: string | undefined): string {
  // On a unix socket callers send path and query over the same socket. Those that cannot find it behind a port of their container.
  if (context.peer.transport === "unix") return `http://localhost:${CONTAINER_HTTP_PORT}`;
  if (configured !== undefined) return configured.replace(/\/+$/, "");
  const authority = context.headers[":authority"] ?? context.headers.host;
  if (authority === undefined || !/^[A-Za-z0-9.:[\]_-]+$/.test(authority))
    throw new LydianError("invalid_argument", "The request names no host, so no URL can be made for it.", {
      hint: "Set publicUrl in the server's configuration.",
    });
  return `http://${authority}`;
}
