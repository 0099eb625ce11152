import { createConnection, type Socket } from "node:net";
import { LydianError } from "../errors.ts";

/** Where a server is. */
export type Endpoint =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

const EXPECTED = "expected http://host:port or unix:///absolute/path";

export function parseEndpoint(url: string): Endpoint {
  if (url.startsWith("unix:")) {
    const path = url.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
    if (!path.startsWith("/")) throw new LydianError("invalid_argument", `server URL "${url}" has no absolute path; ${EXPECTED}`);
    return { kind: "unix", path };
  }
  if (!URL.canParse(url)) throw new LydianError("invalid_argument", `server URL "${url}" is no URL; ${EXPECTED}`);
  const { protocol, hostname, port } = new URL(url);
  if (protocol === "https:") {
    const hint = "Put a proxy that speaks h2c behind the TLS end, or use a tunnel.";
    throw new LydianError("invalid_argument", `server URL "${url}" asks for TLS, which this client does not speak; ${EXPECTED}`, { hint });
  }
  if (protocol !== "http:") throw new LydianError("invalid_argument", `server URL "${url}" has scheme "${protocol}"; ${EXPECTED}`);
  return { kind: "tcp", host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) };
}

export function openSocket(endpoint: Endpoint): Socket {
  const socket = endpoint.kind === "unix" ? createConnection({ path: endpoint.path }) : createConnection(endpoint);
  socket.setNoDelay(true);
  return socket;
}

/** The `:authority` and `host` of requests. */
export function authority(endpoint: Endpoint): string {
  if (endpoint.kind === "unix") return "localhost";
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  return `${host}:${endpoint.port}`;
}
