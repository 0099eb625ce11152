// Listeners, connections and the order in which they end. One port serves gRPC (h2c) and HTTP/1.1, calls with JSON among the latter.
import http from "node:http";
import { LydianError } from "../errors.ts";
import { ConnectionSet } from "./connection-set.ts";
import type { Headers, Peer } from "./context.ts";
import { DEFAULT_MAX_MESSAGE_BYTES } from "./framing.ts";
import type { ListenAt } from "./listening-socket.ts";
import { Router } from "./router.ts";
import type { ServiceDefinition } from "./service.ts";
import type { PairFor } from "./tls-entrance.ts";

export interface ServerOptions<C> {
  readonly services: readonly ServiceDefinition<C>[];
  /** Says who calls, or throws (usually `unauthenticated`). Runs before the request's body is read. */
  readonly authenticate: (headers: Headers, peer: Peer, method: string) => C | Promise<C>;
  /** Serves HTTP/1.1 requests on the same listeners, but for calls with JSON. Default: 404. */
  readonly http?: (request: http.IncomingMessage, response: http.ServerResponse, peer: Peer) => void;
  /** Told to the caller of a method that is not there. Default: that its path is not served. */
  readonly unserved?: (path: string) => string;
  /** Called with what a handler threw unexpectedly; the caller only sees INTERNAL. */
  readonly onError?: (error: unknown, method: string) => void;
  /** Certificates for clients that want TLS on the same port. Default: those are turned away. */
  readonly pairFor?: PairFor;
  /** Bound on each message in either direction. Default 128 MiB. */
  readonly maxMessageBytes?: number;
}

export interface Listener {
  /** `http://127.0.0.1:1234` or `unix:///path`. */
  readonly address: string;
  readonly port?: number;
  /** Stops listening and ends the connections that came through it; their calls are aborted. */
  close(): Promise<void>;
}

export interface GrpcServer {
  /** Accepts gRPC (h2c with prior knowledge) and HTTP/1.1 there. `label` becomes `peer.label` of its connections. */
  listen(at: ListenAt, label?: string): Promise<Listener>;
  /** Stops accepting, lets calls in flight finish for at most `graceMs`, then ends every connection. */
  drain(graceMs: number): Promise<void>;
  /** Ends everything now; calls in flight are aborted. */
  close(): Promise<void>;
}

/**
 * @example
 * const server = createServer({ services: [service(Greeter, { hello: ({ name }) => ({ text: `hello ${name}` }) })], authenticate: () => ({}) });
 * const { address } = await server.listen({ port: 0 });
 */
export function createServer<C>(options: ServerOptions<C>): GrpcServer {
  return new Server(options);
}

class Server<C> implements GrpcServer {
  readonly #router: Router<C>;
  readonly #pairFor: PairFor | undefined;
  #force: () => void = () => {};
  readonly #http: http.Server;
  readonly #httpPeers = new WeakMap<object, Peer>();
  readonly #listeners = new Set<ConnectionSet>();
  readonly #forced = new Promise<void>((resolve) => {
    this.#force = resolve;
  });
  #requests = 0;
  #onRequestDone: (() => void) | undefined;
  #ended: Promise<void> | undefined;

  constructor(options: ServerOptions<C>) {
    this.#pairFor = options.pairFor;
    this.#router = new Router(options, options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES);
    // It never listens: it is given connections. A request may take as long as a blob takes; its headers may not.
    this.#http = http.createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 60_000 });
    this.#http.emit("listening"); // Starts the check of headersTimeout.
    const serve = options.http ?? notFound;
    this.#http.on("request", (request, response) => {
      this.#requests++;
      response.on("close", () => this.#requestDone());
      const peer: Peer = this.#httpPeers.get(request.socket) ?? { transport: "tcp" };
      if (!this.#router.serveJson(request, response, peer)) serve(request, response, peer);
    });
  }

  async listen(at: ListenAt, label?: string): Promise<Listener> {
    if (this.#ended !== undefined) throw new LydianError("failed_precondition", "the server is shutting down; it takes no new listener");
    const connections = new ConnectionSet({
      label,
      pairFor: this.#pairFor,
      onHttp1: (socket, peer) => {
        this.#httpPeers.set(socket, peer);
        this.#http.emit("connection", socket);
      },
      onStream: (stream, headers, peer) => this.#router.serve(stream, headers, peer),
    });
    const bound = await connections.listen(at);
    this.#listeners.add(connections);
    const close = async () => {
      this.#listeners.delete(connections);
      connections.cut();
    };
    return { ...bound, close };
  }

  drain(graceMs: number): Promise<void> {
    this.#ended ??= this.#end(graceMs);
    return this.#ended;
  }

  close(): Promise<void> {
    this.#ended ??= this.#end(0);
    this.#force();
    return this.#ended;
  }

  async #end(graceMs: number): Promise<void> {
    for (const listener of this.#listeners) listener.stopAccepting();
    // The order matters: the Python client drops every call in flight on a GOAWAY, so that comes last.
    this.#router.drain();
    this.#http.closeIdleConnections();
    if (graceMs > 0) await within(graceMs, Promise.race([this.#forced, Promise.all([this.#router.idle(), this.#httpIdle()])]));
    this.#router.abortAll();
    this.#http.close(); // Ends the check of headersTimeout.
    await Promise.all([...this.#listeners].map((listener) => listener.end()));
    this.#listeners.clear();
  }

  #requestDone(): void {
    this.#requests--;
    if (this.#requests === 0) this.#onRequestDone?.();
  }

  #httpIdle(): Promise<void> {
    if (this.#requests === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onRequestDone = resolve;
    });
  }
}

function notFound(_request: http.IncomingMessage, response: http.ServerResponse): void {
  response.writeHead(404, { "content-type": "text/plain" }).end("nothing is served over HTTP here\n");
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, elapsed]);
  clearTimeout(timer);
}
