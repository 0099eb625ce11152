// TLS on the port that plain connections come to, for clients that insist on it: some of them offer no application protocol, which node's own
// servers for HTTP/2 turn away.
import type { Socket } from "node:net";
import { createSecureContext, createServer, type Server, type TLSSocket } from "node:tls";

/** Both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** What to show to clients that ask for this name or address: the same object until it changes. */
export type PairFor = (host: string) => Promise<KeyPair>;

const HANDSHAKE_MS = 30_000;

export class TlsEntrance {
  readonly #pairFor: PairFor;
  readonly #server: Server;
  /** What clients are shown that name no host. */
  #shown: KeyPair | undefined;

  constructor(pairFor: PairFor, enter: (socket: TLSSocket) => void) {
    this.#pairFor = pairFor;
    this.#server = createServer(
      {
        handshakeTimeout: HANDSHAKE_MS,
        ALPNProtocols: ["h2", "http/1.1"],
        SNICallback: (host, answer) => void pairFor(host).then((pair) => answer(null, createSecureContext({ ...pair })), answer),
      },
      enter,
    );
    // Handshakes that fail are the client's affair.
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  /** The socket's first bytes are still to be read. Never rejects: a connection that cannot be served is closed. */
  async admit(socket: Socket): Promise<void> {
    try {
      const pair = await this.#pairFor((socket.localAddress ?? "localhost").replace(/^::ffff:/, ""));
      if (pair !== this.#shown) this.#server.setSecureContext({ ...pair });
      this.#shown = pair;
      this.#server.emit("connection", socket);
    } catch {
      socket.destroy();
    }
  }
}
