import type { IncomingMessage } from "node:http";
import type {
  DescMethod,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { LydianError } from "../errors.ts";

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

export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** Must be read to its end or destroyed. */
  readonly body: IncomingMessage;
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

export function connect(_options: ConnectOptions): Connection {
  throw new LydianError("unimplemented", "the transport is being written");
}
