// The service that the transport's tests call: the real descriptors with handlers that echo, wait, fail and flood.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { LydianError } from "../errors.ts";
import { ModalClient } from "../generated/modal/client/service_pb.js";
import { type Connection, type ConnectOptions, connect } from "./client.ts";
import type { CallContext } from "./context.ts";
import type { ListenAt } from "./listening-socket.ts";
import { createServer, type GrpcServer, type Listener, type ServerOptions } from "./server.ts";
import { type Handlers, service } from "./service.ts";

export type Caller = { readonly name: string };
export type TestHandlers = Partial<Handlers<typeof ModalClient, Caller>>;

export const TRANSPORTS = ["tcp", "unix"] as const;
export type Transport = (typeof TRANSPORTS)[number];

const DIRECTORY = mkdtempSync(join(tmpdir(), "lydian-transport-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true, force: true }));
let sockets = 0;

/** The path of a unix socket that does not exist yet. */
export function aPath(): string {
  return join(DIRECTORY, `${++sockets}.sock`);
}

export function anAddress(transport: Transport): ListenAt {
  return transport === "tcp" ? { port: 0 } : { path: aPath() };
}

export interface Harness extends AsyncDisposable {
  readonly server: GrpcServer;
  readonly listener: Listener;
  readonly connection: Connection;
  readonly client: ReturnType<typeof clientOf>;
  readonly errors: unknown[];
}

function clientOf(connection: Connection) {
  return connection.service(ModalClient);
}

/** A server with these handlers and a client connected to it. */
export async function start(
  transport: Transport,
  handlers: TestHandlers,
  options: { server?: Partial<ServerOptions<Caller>>; connect?: Partial<ConnectOptions>; label?: string; at?: ListenAt } = {},
): Promise<Harness> {
  const errors: unknown[] = [];
  const server = createServer<Caller>({
    services: [service<typeof ModalClient, Caller>(ModalClient, handlers)],
    authenticate: () => ({ name: "tester" }),
    onError: (error) => errors.push(error),
    ...options.server,
  });
  const listener = await server.listen(options.at ?? anAddress(transport), options.label);
  const connection = connect({ url: listener.address, ...options.connect });
  return {
    server,
    listener,
    connection,
    client: clientOf(connection),
    errors,
    async [Symbol.asyncDispose]() {
      await connection.close();
      await server.close();
    },
  };
}

/** Resolves when the signal fires. */
export function fired(signal: AbortSignal): Promise<unknown> {
  if (signal.aborted) return Promise.resolve(signal.reason);
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason), { once: true }));
}

/** What a rejected promise was rejected with. */
export async function failure(promise: Promise<unknown>): Promise<LydianError> {
  try {
    await promise;
  } catch (error) {
    if (LydianError.is(error)) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

export class Gate {
  readonly opened: Promise<void>;
  open: () => void = () => {};
  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}

export type Context = CallContext<Caller>;
