// Opens what a server listens on: a TCP port, a unix socket or an inherited descriptor.
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { createConnection, type Server } from "node:net";
import { LydianError } from "../errors.ts";

export type ListenAt =
  | { readonly port: number /** Default 127.0.0.1. */; readonly host?: string }
  | { readonly path: string /** Permission bits of the socket. Default 0o600. */; readonly mode?: number }
  /** An inherited listening socket. */
  | { readonly fd: number };

// sun_path of Linux, less the terminating zero. macOS has 4 fewer.
const MAX_PATH_BYTES = 107;
const BACKLOG = 1024;

export interface Bound {
  readonly address: string;
  readonly port?: number;
}

/** Listens, or throws LydianError that names the address and the way out. */
export async function bind(server: Server, at: ListenAt): Promise<Bound> {
  if ("fd" in at) {
    await listen(server, { fd: at.fd }, `descriptor ${at.fd}`);
  } else if ("path" in at) {
    await bindPath(server, at.path, at.mode ?? 0o600);
    return { address: `unix://${at.path}` };
  } else {
    const host = at.host ?? "127.0.0.1";
    await listen(server, { port: at.port, host, backlog: BACKLOG }, `${host}:${at.port}`);
  }
  const address = server.address();
  if (address === null) throw new LydianError("internal", "a listening socket has no address");
  if (typeof address === "string") return { address: `unix://${address}` };
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return { address: `http://${host}:${address.port}`, port: address.port };
}

async function bindPath(server: Server, path: string, mode: number): Promise<void> {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES) {
    const hint = "Choose a shorter directory.";
    throw new LydianError("invalid_argument", `unix socket path ${path} has ${bytes} bytes; at most ${MAX_PATH_BYTES} fit`, { hint });
  }
  await removeStale(path);
  const listening = listen(server, { path, backlog: BACKLOG }, path);
  // The socket exists once listen() has returned, before any connection is accepted.
  if (server.listening) chmodSync(path, mode);
  await listening;
}

function listen(server: Server, options: Parameters<Server["listen"]>[0], what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) => {
      server.off("listening", onListening);
      reject(listenError(cause, what));
    };
    const onListening = () => {
      server.off("error", onError);
      resolve();
    };
    server.once("error", onError);
    server.once("listening", onListening);
    server.listen(options);
  });
}

function listenError(cause: NodeJS.ErrnoException, what: string): LydianError {
  if (cause.code === "EADDRINUSE") {
    const hint = "Stop the process that listens there or choose another address.";
    return new LydianError("failed_precondition", `${what} is in use`, { cause, hint });
  }
  if (cause.code === "EACCES") return new LydianError("permission_denied", `not allowed to listen on ${what}`, { cause });
  return new LydianError("failed_precondition", `cannot listen on ${what}: ${cause.message}`, { cause });
}

/** A killed server leaves its socket file behind. One that still answers is left alone, and so is anything that is no socket. */
async function removeStale(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const answers = await new Promise<boolean>((resolve) => {
    const probe = createConnection(path);
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
  if (!answers) unlinkSync(path);
}
