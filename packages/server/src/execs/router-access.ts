// The right to one container's processes and files: a token that names the container, sealed with a key of this server, and the address
// where it is of use. Clients cannot be told to throw a token away before its end, so the key outlives the server's process.
import { createHmac, timingSafeEqual } from "node:crypto";
import { type CallContext, CONTAINER_HTTP_PORT, LydianError } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";

const LIFE_SECONDS = 3_600;
const HEADER = encoded({ alg: "HS256", typ: "JWT" });
/** What the JavaScript and Go clients call themselves. They take no address but one of https, and speak plain HTTP/2 to it on this machine. */
const WANTS_HTTPS: ReadonlySet<string> = new Set(["8", "9"]);

export class RouterTokens {
  readonly #key: Uint8Array;
  readonly #now: () => number;

  constructor(key: Uint8Array, now: () => number = Date.now) {
    this.#key = key;
    this.#now = now;
  }

  issue(taskId: string, workspaceId: string): string {
    const exp = Math.floor(this.#now() / 1000) + LIFE_SECONDS;
    const signed = `${HEADER}.${encoded({ sub: taskId, ws: workspaceId, exp })}`;
    return `${signed}.${this.#seal(signed)}`;
  }

  /** Throws `unauthenticated`. */
  verify(authorization: string | undefined): { readonly taskId: string; readonly workspaceId: string } {
    const [, signed = "", payload = "", seal = ""] =
      /^Bearer ((?:[\w-]{1,200})\.([\w-]{1,1000}))\.([\w-]{43})$/.exec(authorization ?? "") ?? [];
    const expected = this.#seal(signed);
    if (signed === "" || !timingSafeEqual(Buffer.from(seal), Buffer.from(expected)))
      throw new LydianError("unauthenticated", "This call carries no token of this server for a container.", {
        hint: "Ask for one with SandboxGetCommandRouterAccess.",
      });
    const { sub, ws, exp } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { sub: string; ws: string; exp: number };
    if (exp * 1000 <= this.#now())
      throw new LydianError("unauthenticated", "The token for the container has expired.", { hint: "Ask for a new one." });
    return { taskId: sub, workspaceId: ws };
  }

  #seal(signed: string): string {
    return createHmac("sha256", this.#key).update(signed).digest("base64url");
  }
}

/** What the official Python client calls itself. Before 1.5 it takes no address but one of https, and means TLS. */
const PYTHON = "1";
/** Hosts to which the official Python client speaks without TLS. */
const NEAR: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "::1", "[::1]", "172.21.0.1"]);

/** Where the caller reaches the processes: the way it came, in the words that its client understands. Empty: on the same connection. */
export function routerUrl({ headers, peer }: CallContext<Caller>): string {
  const authority = headers[":authority"] ?? headers.host ?? "";
  if (peer.transport === "unix") {
    // In a container the official client needs a URL: a port there leads to this socket. Ours stays on the connection it has.
    return headers["x-modal-client-type"] === undefined ? "" : `http://127.0.0.1:${CONTAINER_HTTP_PORT}`;
  }
  const port = /:(\d+)$/.exec(authority)?.[1] ?? "80";
  const named = headers["x-modal-host"];
  const host = named !== undefined && /^[\w.:[\]-]{1,253}$/.test(named) ? named.replace(/:\d+$/, "") : authority.replace(/:\d+$/, "");
  return `${wantsHttps(headers, host) ? "https" : "http"}://${host}:${port}`;
}

function wantsHttps(headers: CallContext<Caller>["headers"], host: string): boolean {
  const type = headers["x-modal-client-type"] ?? "";
  if (type !== PYTHON) return WANTS_HTTPS.has(type);
  const [, major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(headers["x-modal-client-version"] ?? "") ?? []).map(Number);
  return !NEAR.has(host) || (major > 0 && major * 100 + minor < 105);
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
