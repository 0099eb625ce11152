// A connection to a server and the calls over it.
import { randomUUID } from "node:crypto";
import type { OutgoingHttpHeaders } from "node:http2";
import type {
  DescMessage,
  DescMethod,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Bag } from "../bag.ts";
import { LydianError } from "../errors.ts";
import { CallScope } from "./call-scope.ts";
import { type Outcome, streamAttempt, unaryAttempt, type WireCall } from "./client-call.ts";
import { errorOf } from "./client-failure.ts";
import { ClientLane } from "./client-lane.ts";
import { ClientSession } from "./client-session.ts";
import { authority, type Endpoint, parseEndpoint } from "./endpoint.ts";
import { checkSize, DEFAULT_MAX_MESSAGE_BYTES } from "./framing.ts";
import { HttpClient, type HttpRequest, type HttpResponse } from "./http-client.ts";
import { MAX_LANE_REQUEST_BYTES } from "./lane.ts";
import { PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER } from "./protocol-version.ts";
import { type Attempts, retryDelayMs } from "./retry.ts";
import type { Failure } from "./status.ts";
import { formatTimeout } from "./timeout.ts";

export interface CallOptions {
  /** Aborting it resets the call on the wire and fails it with `cancelled`. */
  readonly signal?: AbortSignal | undefined;
  /** Deadline over all attempts, told to the server. Default: none. */
  readonly timeoutMs?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Unary calls only: false makes one attempt. Default true. */
  readonly retry?: boolean | undefined;
}

type Method<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : never;

/**
 * The methods of a service as functions, by camelCase name. A unary call is retried on connection loss and UNAVAILABLE; a stream is
 * not (only its reader knows where to resume) and starts when it is first read. Everything fails with LydianError.
 */
export type Client<S extends DescService> = { readonly [K in keyof S["method"]]: Method<S["method"][K]> };

export interface ConnectOptions {
  /** `http://host:port` or `unix:///path`. */
  readonly url: string;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How often a connection with calls in flight is probed; one that stays silent as long again is given up. Default 20,000. */
  readonly keepAliveMs?: number;
  /** How long a unary call keeps trying to reach a server that refuses or drops it. Default 60,000. */
  readonly retryForMs?: number;
  /** Bound on each message in either direction. Default 128 MiB. */
  readonly maxMessageBytes?: number;
}

/** Opened on the first call, reopened on demand. Does not keep the process alive while nothing is in flight. */
export interface Connection extends AsyncDisposable {
  readonly url: string;
  service<S extends DescService>(desc: S): Client<S>;
  /** One HTTP/1.1 request to the same endpoint. `path` starts with "/"; of a full URL, path and query are used. */
  http(path: string, request?: HttpRequest): Promise<HttpResponse>;
  /** Fails calls in flight with `cancelled` and ends the connection. */
  close(): Promise<void>;
}

/**
 * @example
 * const connection = connect({ url: "http://127.0.0.1:4400" });
 * const { appId } = await connection.service(ModalClient).appCreate({ description: "hello" }, { timeoutMs: 10_000 });
 */
export function connect(options: ConnectOptions): Connection {
  return new ClientConnection(options);
}

interface PreparedMethod {
  readonly path: string;
  readonly input: DescMessage;
  readonly output: DescMessage;
}

class ClientConnection implements Connection {
  readonly url: string;
  readonly #endpoint: Endpoint;
  readonly #headers: OutgoingHttpHeaders;
  readonly #keepAliveMs: number;
  readonly #retryForMs: number;
  readonly #maxMessageBytes: number;
  readonly #scopes = new Bag<CallScope>();
  readonly #http: HttpClient;
  #session: ClientSession | undefined;
  #lane: ClientLane | undefined;
  #closed = false;

  constructor(options: ConnectOptions) {
    this.url = options.url;
    this.#endpoint = parseEndpoint(options.url);
    this.#keepAliveMs = options.keepAliveMs ?? 20_000;
    this.#retryForMs = options.retryForMs ?? 60_000;
    this.#maxMessageBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    this.#http = new HttpClient(options.url, this.#endpoint);
    this.#headers = {
      ":method": "POST",
      ":scheme": "http",
      ":authority": authority(this.#endpoint),
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "lydian",
      [PROTOCOL_VERSION_HEADER]: PROTOCOL_VERSION,
      ...options.headers,
    };
  }

  service<S extends DescService>(desc: S): Client<S> {
    const client: Record<string, unknown> = {};
    for (const { name, localName, input, output, methodKind } of desc.methods) {
      const method: PreparedMethod = { path: `/${desc.typeName}/${name}`, input, output };
      if (methodKind === "unary") {
        client[localName] = (request: object, options?: CallOptions) => this.#unary(method, request, options ?? {});
      } else if (methodKind === "server_streaming") {
        client[localName] = (request: object, options?: CallOptions) => this.#stream(method, request, options ?? {});
      }
    }
    return client as Client<S>;
  }

  http(path: string, request: HttpRequest = {}): Promise<HttpResponse> {
    return this.#http.request(path, request);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const scope of this.#scopes) scope.stop(new LydianError("cancelled", `the connection to ${this.url} was closed`));
    this.#session?.destroy();
    this.#http.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #unary(method: PreparedMethod, request: object, options: CallOptions): Promise<never> {
    const scope = this.#begin(method, options);
    try {
      const call = this.#prepare(method, request, options, scope);
      call.headers["x-idempotency-key"] ??= randomUUID();
      let failures = 0;
      let firstFailureAt = 0;
      for (;;) {
        scope.check();
        const startedAt = performance.now();
        const outcome = await this.#attempt(call, scope);
        if (outcome.message !== undefined) return decode(method.output, outcome.message) as never;
        scope.check();
        const now = performance.now();
        // An attempt that lasted proves that the server was there: the bound starts anew.
        if (failures === 0 || now - startedAt > this.#retryForMs) {
          failures = 0;
          firstFailureAt = now;
        }
        failures++;
        const attempts = { failures, elapsedMs: now - firstFailureAt, retryForMs: this.#retryForMs };
        const delayMs = options.retry === false ? undefined : retryDelayMs(outcome.failure, attempts, Math.random());
        if (delayMs === undefined) throw gaveUp(outcome.failure, attempts);
        await scope.pause(delayMs);
        call.headers["x-retry-attempt"] = String(failures);
        setTimeoutHeader(call.headers, scope);
      }
    } finally {
      scope.end();
    }
  }

  #attempt(call: WireCall, scope: CallScope): Promise<Outcome> {
    const session = this.#open();
    if (call.message.byteLength > MAX_LANE_REQUEST_BYTES) return unaryAttempt(call, session, scope);
    if (this.#lane?.opensOn(session) !== true) {
      this.#lane = new ClientLane({ url: this.url, session, headers: this.#headers, maxMessageBytes: this.#maxMessageBytes });
    }
    return this.#lane.hasRoom ? this.#lane.call(call, scope) : unaryAttempt(call, session, scope);
  }

  async *#stream(method: PreparedMethod, request: object, options: CallOptions): AsyncGenerator<unknown, void, undefined> {
    const scope = this.#begin(method, options);
    try {
      const call = this.#prepare(method, request, options, scope);
      scope.check();
      for await (const message of streamAttempt(call, this.#open(), scope)) yield decode(method.output, message);
    } finally {
      scope.end();
    }
  }

  #begin(method: PreparedMethod, options: CallOptions): CallScope {
    if (this.#closed) throw new LydianError("failed_precondition", `${method.path} was called on a closed connection to ${this.url}`);
    return new CallScope(method.path, options.signal, options.timeoutMs, this.#scopes);
  }

  #prepare(method: PreparedMethod, request: object, options: CallOptions, scope: CallScope): WireCall {
    const message = toBinary(method.input, create(method.input, request as never));
    checkSize(message.byteLength, this.#maxMessageBytes, "request");
    const headers = { ...options.headers };
    setTimeoutHeader(headers, scope);
    const { url } = this;
    return { url, path: method.path, commonHeaders: this.#headers, headers, message, maxMessageBytes: this.#maxMessageBytes };
  }

  #open(): ClientSession {
    if (this.#session?.usable !== true) this.#session = new ClientSession(this.#endpoint, this.#keepAliveMs);
    return this.#session;
  }
}

function setTimeoutHeader(headers: Record<string, string>, scope: CallScope): void {
  const remainingMs = scope.remainingMs;
  if (remainingMs !== undefined) headers["grpc-timeout"] = formatTimeout(remainingMs);
}

function decode(schema: DescMessage, bytes: Uint8Array): unknown {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new LydianError("internal", `the server's answer is no valid ${schema.typeName}: ${(cause as Error).message}`, { cause });
  }
}

function gaveUp(failure: Failure, attempts: Attempts): LydianError {
  if (attempts.failures === 1) return errorOf(failure);
  const seconds = Math.max(1, Math.round(attempts.elapsedMs / 1000));
  return errorOf({ ...failure, message: `${failure.message} (tried ${attempts.failures} times in ${seconds} s)` });
}
