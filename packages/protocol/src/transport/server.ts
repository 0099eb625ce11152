import type http from "node:http";
import { LydianError } from "../errors.ts";
import type { Headers, Peer } from "./context.ts";
import type { ServiceDefinition } from "./service.ts";

export interface ServerOptions<C> {
  readonly services: readonly ServiceDefinition<C>[];
  /** Says who calls, or throws (usually `unauthenticated`). Runs before the request's body is read. */
  readonly authenticate: (headers: Headers, peer: Peer, method: string) => C | Promise<C>;
  /** Serves HTTP/1.1 requests on the same listeners. Default: 404. */
  readonly http?: (request: http.IncomingMessage, response: http.ServerResponse, peer: Peer) => void;
  /** Called with what a handler threw unexpectedly; the caller only sees INTERNAL. */
  readonly onError?: (error: unknown, method: string) => void;
  /** Bound on each message in either direction. Default 128 MiB. */
  readonly maxMessageBytes?: number;
}

export type ListenAt =
  | { readonly port: number /** Default 127.0.0.1. */; readonly host?: string }
  | { readonly path: string /** Permission bits of the socket. Default 0o600. */; readonly mode?: number }
  /** An inherited listening socket. */
  | { readonly fd: number };

export interface Listener {
  /** `http://127.0.0.1:1234` or `unix:///path`. */
  readonly address: string;
  readonly port?: number;
  /** Stops listening and ends the connections that came through it. */
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

export function createServer<C>(_options: ServerOptions<C>): GrpcServer {
  throw new LydianError("unimplemented", "the transport is being written");
}
