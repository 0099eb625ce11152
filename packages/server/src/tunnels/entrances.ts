// Where connections from outside arrive: on a port of their own, or, when tunnels have names, with TLS on one port for all of them.
import { createServer, type Server, type Socket } from "node:net";
import {
  createSecureContext,
  createServer as createTlsServer,
  type SecureContext,
  type TLSSocket,
  type TlsOptions,
  type Server as TlsServer,
} from "node:tls";
import { protocolFor } from "./alpn.ts";
import type { Certificates, KeyPair } from "./certificates.ts";
import { listens, listenWithin } from "./listen.ts";
import type { Places } from "./places.ts";
import type { TunnelSettings } from "./settings.ts";

export interface Door {
  readonly ownerId: string;
  /** What of the container it leads to. */
  readonly what: string;
  readonly http2: boolean;
  readonly enter: (socket: Socket) => void;
}

/** A door that is open. */
export interface OpenDoor {
  readonly host: string;
  readonly port: number;
  /** Nobody comes in any more. Those inside stay. */
  close(): void;
}

/** Of one listener; more are shown out at once. */
const MAX_CONNECTIONS = 10_000;
const MIN_VERSION = "TLSv1.2";
const HANDSHAKE_MS = 10_000;

export interface EntrancesOptions {
  readonly settings: TunnelSettings;
  readonly places: Places;
  readonly certificates: Certificates;
}

export class Entrances {
  readonly #options: EntrancesOptions;
  /** By name. */
  readonly #named = new Map<string, Door>();
  readonly #contexts = new WeakMap<KeyPair, SecureContext>();
  #shared: Promise<{ readonly server: TlsServer; readonly port: number }> | undefined;

  constructor(options: EntrancesOptions) {
    this.#options = options;
  }

  /** Without TLS, on a port of its own. */
  async openTcp({ ownerId, what, enter }: Door): Promise<OpenDoor> {
    const server = createServer({ allowHalfOpen: true }, enter);
    return this.#listen(server, ownerId, `tcp ${ownerId} ${what}`, this.#options.places.host(ownerId, what));
  }

  async openTls(door: Door): Promise<OpenDoor> {
    const { places, certificates, settings } = this.#options;
    const host = places.host(door.ownerId, door.what);
    if (places.names === undefined) {
      const server = tlsServer(
        { ...(await certificates.pairFor(host)), ALPNCallback: ({ protocols }) => protocolFor(protocols, door.http2) },
        door.enter,
      );
      return this.#listen(server, door.ownerId, `tls ${door.ownerId} ${door.what}`, host);
    }
    this.#shared ??= this.#openShared().catch((error: unknown) => {
      this.#shared = undefined;
      throw error;
    });
    const { port } = await this.#shared;
    this.#named.set(host, door);
    const close = () => {
      if (this.#named.get(host) === door) this.#named.delete(host);
    };
    return { host, port: settings.publicPort ?? port, close };
  }

  async close(): Promise<void> {
    this.#named.clear();
    const shared = await this.#shared?.catch(() => undefined);
    shared?.server.close();
  }

  async #listen(server: Server, ownerId: string, what: string, host: string): Promise<OpenDoor> {
    const { places } = this.#options;
    server.maxConnections = MAX_CONNECTIONS;
    const port = await listenWithin(server, places.listenOn(ownerId), places.ports, places.firstPort(what));
    return { host, port, close: () => server.close() };
  }

  async #openShared(): Promise<{ readonly server: TlsServer; readonly port: number }> {
    const { settings, places, certificates } = this.#options;
    const server = tlsServer(
      {
        SNICallback: (name, answer) => this.#contextFor(name, certificates).then((context) => answer(null, context), answer),
        ALPNCallback: ({ servername, protocols }) => protocolFor(protocols, this.#named.get(servername.toLowerCase())?.http2 === true),
      },
      (socket) => {
        const door = this.#named.get(nameOf(socket));
        if (door === undefined) socket.destroy();
        else door.enter(socket);
      },
    );
    server.maxConnections = MAX_CONNECTIONS;
    const address = places.listenOn("");
    const { port } = settings;
    if (port === undefined) return { server, port: await listenWithin(server, address, places.ports, places.firstPort("tls")) };
    if (await listens(server, address, port)) return { server, port };
    throw new Error(`Tunnels cannot listen on ${address}:${port}: the port is taken, or not allowed to this user.`);
  }

  /** Certificates are shown only for names that exist. */
  async #contextFor(name: string, certificates: Certificates): Promise<SecureContext> {
    const host = name.toLowerCase();
    if (!this.#named.has(host)) throw new Error("no such tunnel");
    const pair = await certificates.pairFor(host);
    const context = this.#contexts.get(pair) ?? createSecureContext({ ...pair, minVersion: MIN_VERSION });
    this.#contexts.set(pair, context);
    return context;
  }
}

function tlsServer(options: TlsOptions, enter: (socket: TLSSocket) => void): TlsServer {
  const server = createTlsServer({ ...options, allowHalfOpen: true, handshakeTimeout: HANDSHAKE_MS, minVersion: MIN_VERSION }, enter);
  // Handshakes that fail are the client's affair.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

const nameOf = ({ servername }: TLSSocket & { readonly servername?: string | false | null }): string =>
  typeof servername === "string" ? servername.toLowerCase() : "";
