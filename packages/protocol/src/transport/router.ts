// Finds the method of a call and keeps count of what is in flight.
import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type ServerHttp2Stream } from "node:http2";
import { Bag } from "../bag.ts";
import { LydianError } from "../errors.ts";
import type { Headers, Peer } from "./context.ts";
import { isJsonCall, JsonCall } from "./json-call.ts";
import { LANE_PATH } from "./lane.ts";
import type { CallEnvironment, PreparedMethod, ServedCall } from "./served-call.ts";
import type { ServerOptions } from "./server.ts";
import { ServerCall } from "./server-call.ts";
import { ServerLane } from "./server-lane.ts";
import type { ServiceDefinition } from "./service.ts";
import { errorTrailers } from "./status.ts";

function ignore(): void {}

export class Router<C> {
  readonly #methods: ReadonlyMap<string, PreparedMethod<C>>;
  readonly #environment: CallEnvironment<C>;
  readonly #unserved: (path: string) => string;
  readonly #draining = new AbortController();
  readonly #calls = new Bag<ServedCall<C>>();
  readonly #lanes = new Set<ServerLane<C>>();
  /** Arrived while draining. Left unanswered, so that the end of the connection sends their clients elsewhere. */
  readonly #refused = new Set<ServerHttp2Stream>();
  #onIdle: (() => void) | undefined;

  constructor(options: ServerOptions<C>, maxMessageBytes: number) {
    this.#unserved = options.unserved ?? ((path) => `${path} is not served by this server`);
    this.#methods = prepare(options.services, this.#unserved);
    setMaxListeners(0, this.#draining.signal);
    this.#environment = {
      authenticate: options.authenticate,
      onError: options.onError ?? ignore,
      maxMessageBytes,
      draining: this.#draining.signal,
    };
  }

  serve(stream: ServerHttp2Stream, headers: Headers, peer: Peer): void {
    if (this.#draining.signal.aborted) {
      stream.on("error", ignore);
      stream.on("close", () => this.#refused.delete(stream));
      this.#refused.add(stream);
      return;
    }
    const path = headers[":path"] ?? "";
    if (path === LANE_PATH) {
      this.#serveLane(stream, headers, peer);
      return;
    }
    const method = this.#methods.get(path);
    if (method === undefined || !headers["content-type"]?.startsWith("application/grpc")) {
      refuse(stream, headers, this.#unserved);
      return;
    }
    const call = new ServerCall(method, this.#environment, stream, headers, peer);
    this.#calls.add(call);
    stream.on("close", () => this.#over(call));
    void call.serve();
  }

  /** Serves a unary call with JSON over HTTP/1.1. Answers false, with nothing done, when the request is none. */
  serveJson(request: IncomingMessage, response: ServerResponse, peer: Peer): boolean {
    const method = this.#methods.get(request.url ?? "");
    if (method === undefined || method.kind !== "unary" || !isJsonCall(request)) return false;
    const call = new JsonCall(method, this.#environment, { request, response }, peer);
    this.#calls.add(call);
    response.on("close", () => this.#over(call));
    void call.serve();
    return true;
  }

  #serveLane(stream: ServerHttp2Stream, headers: Headers, peer: Peer): void {
    const lane = new ServerLane({
      stream,
      headers,
      peer,
      environment: this.#environment,
      method: (path) => {
        const method = this.#methods.get(path);
        return method?.kind === "unary" ? method : undefined;
      },
      onCall: (call) => this.#calls.add(call),
      onCallOver: (call) => this.#over(call),
    });
    this.#lanes.add(lane);
    stream.on("close", () => this.#lanes.delete(lane));
  }

  #over(call: ServedCall<C>): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#onIdle?.();
  }

  /** Tells long polls to answer, and takes no more calls. */
  drain(): void {
    this.#draining.abort(new LydianError("unavailable", "the server is shutting down"));
  }

  /** Resolves when the calls that were in flight have been answered. */
  idle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  abortAll(): void {
    const reason = new LydianError("unavailable", "the server shut down before the call was answered");
    for (const call of this.#calls) call.abort(reason);
    for (const lane of this.#lanes) lane.end();
    for (const stream of this.#refused) stream.close(constants.NGHTTP2_REFUSED_STREAM);
  }
}

function prepare<C>(services: readonly ServiceDefinition<C>[], unserved: (path: string) => string): Map<string, PreparedMethod<C>> {
  const methods = new Map<string, PreparedMethod<C>>();
  for (const { desc, handlers } of services) {
    for (const { name, localName, input, output, methodKind } of desc.methods) {
      const path = `/${desc.typeName}/${name}`;
      if (methodKind === "bidi_streaming") {
        throw new LydianError("unimplemented", `${path} is ${methodKind}; this transport serves streams of one direction`);
      }
      const handler = handlers.get(localName) ?? (() => notServed(unserved(path)));
      methods.set(path, { path, input, output, kind: methodKind, handler });
    }
  }
  return methods;
}

function notServed(text: string): never {
  throw new LydianError("unimplemented", text);
}

function refuse(stream: ServerHttp2Stream, headers: Headers, unserved: (path: string) => string): void {
  stream.on("error", ignore);
  const isGrpc = headers["content-type"]?.startsWith("application/grpc");
  const error = new LydianError("unimplemented", unserved(headers[":path"] ?? ""));
  const answer = isGrpc ? { ":status": 200, "content-type": "application/grpc", ...errorTrailers(error, false) } : { ":status": 415 };
  stream.respond(answer, { endStream: true });
  stream.close(constants.NGHTTP2_NO_ERROR);
}
