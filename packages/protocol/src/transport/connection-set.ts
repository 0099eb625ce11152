// One listening socket and every connection that came through it.
import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Headers, Peer } from "./context.ts";
import { onProtocol } from "./first-bytes.ts";
import { CONNECTION_WINDOW_BYTES, SESSION_OPTIONS } from "./http2-options.ts";
import { LANE_PATH } from "./lane.ts";
import { type Bound, bind, type ListenAt } from "./listening-socket.ts";
import { ReadingSocket } from "./reading-socket.ts";
import { type PairFor, TlsEntrance } from "./tls-entrance.ts";

// How long the last bytes (answers, GOAWAY) may take to leave before a connection is cut.
const FLUSH_MS = 500;
// TCP probes find a peer that vanished while its long poll was held.
const TCP_KEEPALIVE_MS = 30_000;

interface ConnectionSetOptions {
  readonly label: string | undefined;
  /** Undefined: clients that want TLS are turned away. */
  readonly pairFor: PairFor | undefined;
  readonly onHttp1: (socket: Socket, peer: Peer) => void;
  readonly onStream: (stream: ServerHttp2Stream, headers: Headers, peer: Peer) => void;
}

function ignore(): void {}

export class ConnectionSet {
  readonly #options: ConnectionSetOptions;
  readonly #server: Server;
  readonly #tls: TlsEntrance | undefined;
  /** Each with its HTTP/2 session, if it speaks that. */
  readonly #sockets = new Map<Socket, ServerHttp2Session | undefined>();

  constructor(options: ConnectionSetOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    const { pairFor } = options;
    this.#tls = pairFor && new TlsEntrance(pairFor, (socket) => this.#accept(socket));
  }

  listen(at: ListenAt): Promise<Bound> {
    return bind(this.#server, at);
  }

  stopAccepting(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** Says goodbye on each connection and cuts those that have not ended shortly after. */
  async end(): Promise<void> {
    this.stopAccepting();
    const ended = [...this.#sockets.keys()].map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())));
    for (const [socket, session] of this.#sockets) {
      if (session === undefined) socket.destroySoon();
      else session.close();
    }
    const cut = setTimeout(() => this.cut(), FLUSH_MS);
    await Promise.all(ended);
    clearTimeout(cut);
  }

  /** Ends every connection now. */
  cut(): void {
    this.stopAccepting();
    for (const [socket, session] of this.#sockets) {
      session?.destroy();
      socket.destroy();
    }
  }

  #accept(socket: Socket): void {
    const { label, onHttp1 } = this.#options;
    const tcp = socket.remoteAddress !== undefined;
    if (tcp) socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    const peer: Peer = {
      transport: tcp ? "tcp" : "unix",
      ...(label !== undefined && { label }),
      ...(socket.remoteAddress !== undefined && { remoteAddress: socket.remoteAddress }),
    };
    this.#sockets.set(socket, undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", ignore); // Always followed by "close".
    onProtocol(socket, (protocol) => {
      if (protocol === "http1") onHttp1(socket, peer);
      // There is none inside of TLS.
      else if (protocol === "tls") void (socket instanceof TLSSocket ? socket.destroy() : (this.#tls?.admit(socket) ?? socket.destroy()));
      else this.#serveHttp2(socket, peer);
    });
  }

  #serveHttp2(socket: Socket, peer: Peer): void {
    const reading = new ReadingSocket(socket);
    const session = performServerHandshake(reading, SESSION_OPTIONS);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    this.#sockets.set(socket, session);
    session.on("error", ignore);
    const { onStream } = this.#options;
    session.on("stream", (stream, headers) => {
      if (headers[":path"] === LANE_PATH) reading.writeAtOnce();
      onStream(stream, headers as Headers, peer);
    });
  }
}
