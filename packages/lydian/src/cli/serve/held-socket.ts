// The listening TCP socket, held by the parent so that it outlives the server's process: callers that connect while no
// server runs wait in the kernel's queue instead of being refused.
//
// net.Server would accept connections in this process too, so the socket is bound through the function that Node's own
// cluster module uses for the same purpose. It is not documented; without it `holdSocket` returns undefined and the server
// binds its port itself, which only costs the waiting of callers during a restart.
import net from "node:net";
import { UsageError } from "../exit.ts";

export interface HeldSocket {
  /** To pass on as a file descriptor. */
  readonly fd: number;
  readonly port: number;
  close(): void;
}

interface RawHandle {
  readonly fd: number;
  getsockname(out: { port?: number }): number;
  close(): void;
}

type CreateHandle = (address: string, port: number, family: 4 | 6) => RawHandle | number;

/** Binds host:port (0 for any free one). Throws UsageError when the address cannot be had. */
export function holdSocket(host: string, port: number): HeldSocket | undefined {
  const create = (net as unknown as { _createServerHandle?: CreateHandle })._createServerHandle;
  if (!create) return undefined;
  const address = host === "localhost" ? "127.0.0.1" : host;
  const family = net.isIP(address);
  if (family !== 4 && family !== 6)
    throw new UsageError(`--host is an IP address, not "${host}"`, "127.0.0.1 for this machine only, 0.0.0.0 for all interfaces.");
  const handle = create(address, port, family);
  // An address in use is only reported when the name of the socket is asked for.
  const name: { port?: number } = {};
  const failed = typeof handle === "number" || handle.getsockname(name) !== 0;
  if (failed || name.port === undefined) {
    if (typeof handle !== "number") handle.close();
    throw new UsageError(
      `cannot listen on ${host}:${port}: it is in use or not allowed`,
      "--port N takes another port, --port 0 any free one.",
    );
  }
  return { fd: handle.fd, port: name.port, close: () => handle.close() };
}
