// Passes HTTP requests that carry a connect token on to the program in the container, and tells it what the token says. Web sockets too.
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ConnectRequest, cookieOf, type FoundToken, headersInside, headersOutside, tokenOf, urlInside } from "./connect-headers.ts";
import type { ConnectRight, ConnectTokens } from "./connect-tokens.ts";
import type { TunnelOwner } from "./owner.ts";
import { IDLE_MS, relay } from "./relay.ts";
import type { Visitors } from "./visitors.ts";

interface Place {
  readonly owner: TunnelOwner;
  readonly visitors: Visitors;
}

interface Allowed extends Place {
  readonly request: ConnectRequest;
  readonly found: FoundToken;
  readonly right: ConnectRight;
}

/** Of connections that have not shown a token. */
const STRANGER_MS = 60_000;
const NO_TOKEN = "This address needs a token of the sandbox: `Authorization: Bearer …`, or ?_modal_connect_token=… in the URL.\n";
const NOBODY = "Nothing in the container answers on that port.\n";
const BROKEN = "The program in the container broke the connection off.\n";

export class ConnectProxy {
  readonly #tokens: ConnectTokens;
  readonly #server: Server;
  readonly #places = new WeakMap<Duplex, Place>();

  constructor(tokens: ConnectTokens) {
    this.#tokens = tokens;
    this.#server = createServer((request, response) => {
      // Programs and clients may say what Node refuses to pass on.
      this.#pass(request, response).catch(() => response.destroy());
    });
    this.#server.setTimeout(STRANGER_MS);
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket as Socket, head).catch(() => socket.destroy());
    });
    this.#server.on("clientError", (_error, socket) => socket.destroy());
  }

  /** Takes over a connection for a container. */
  serve(socket: Socket, owner: TunnelOwner, visitors: Visitors): void {
    this.#places.set(socket, { owner, visitors });
    this.#server.emit("connection", socket);
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const allowed = this.#allowed(request);
    if (allowed === undefined) return answer(response, 401, NO_TOKEN, { "www-authenticate": "Bearer" });
    const { visitors, right, found } = allowed;
    let inside: Duplex;
    try {
      inside = await visitors.connect(request.socket, right.port);
    } catch {
      return answer(response, 502, NOBODY);
    }
    response.on("close", () => inside.destroy());
    const passed = httpRequest({
      createConnection: () => inside,
      method: request.method,
      path: urlInside(allowed.request.url),
      headers: withLength(request, [...headersInside(allowed.request, found, right, false), "Connection", "close"]),
      setHost: false,
    });
    // It came paused.
    passed.on("socket", () => inside.resume());
    passed.on("response", (reply) => {
      const { statusCode = 0, rawHeaders } = reply;
      if (statusCode < 200 || statusCode > 999) return void passed.destroy();
      try {
        const cookie = found.from === "query" ? ["Set-Cookie", cookieOf(found.token)] : [];
        response.writeHead(statusCode, [...headersOutside(rawHeaders), ...cookie]);
        // Pages that stream are seen at once.
        response.flushHeaders();
      } catch {
        return void response.destroy();
      }
      pipeline(reply, response).catch(() => response.destroy());
    });
    passed.on("error", () => {});
    passed.on("close", () => {
      if (!response.headersSent) answer(response, 502, BROKEN);
      else if (!response.writableEnded) response.destroy();
    });
    // A program may answer before it has read everything.
    pipeline(request, passed).catch(() => {});
  }

  async #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const refuse = (status: string, text: string) =>
      socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`);
    const allowed = this.#allowed(request);
    if (allowed === undefined) return void refuse("401 Unauthorized", NO_TOKEN.replace(/…/g, "..."));
    const { visitors, right, found } = allowed;
    let inside: Duplex;
    try {
      inside = await visitors.connect(socket, right.port);
    } catch {
      return void refuse("502 Bad Gateway", NOBODY);
    }
    const headers = headersInside(allowed.request, found, right, true);
    let text = `${request.method} ${urlInside(allowed.request.url)} HTTP/1.1\r\n`;
    for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
    inside.write(Buffer.from(`${text}\r\n`, "latin1"));
    if (head.length > 0) inside.write(head);
    relay(socket, inside);
  }

  #allowed({ socket, rawHeaders, url = "/" }: IncomingMessage): Allowed | undefined {
    const place = this.#places.get(socket);
    const request = { rawHeaders, url, remoteAddress: socket.remoteAddress ?? "" };
    const found = tokenOf(request);
    const right = found && this.#tokens.verify(found.token);
    if (place === undefined || found === undefined || right?.ownerId !== place.owner.id) return undefined;
    socket.setTimeout(IDLE_MS);
    return { ...place, request, found, right };
  }
}

/** A body of unknown length goes in chunks; without a word about it there is none. */
function withLength({ headers }: IncomingMessage, list: string[]): string[] {
  return headers["transfer-encoding"] === undefined ? list : [...list, "Transfer-Encoding", "chunked"];
}

function answer(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers }).end(text);
}
