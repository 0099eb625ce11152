// One HTTP/2 connection to a server, as long as it lasts.
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from "node:http2";
import { authority, type Endpoint, openSocket } from "./endpoint.ts";
import { CONNECTION_WINDOW_BYTES, SESSION_OPTIONS } from "./http2-options.ts";

export class ClientSession {
  readonly #http2: ClientHttp2Session;
  readonly #probe: NodeJS.Timeout;
  #inFlight = 0;
  #unansweredPing = false;
  #error: Error | undefined;

  constructor(endpoint: Endpoint, keepAliveMs: number) {
    const keep = (error: Error) => {
      this.#error ??= error;
    };
    const createConnection = () => {
      const socket = openSocket(endpoint);
      socket.on("error", keep); // The session tells its streams before it tells its own listeners.
      return socket;
    };
    const session = http2.connect(`http://${authority(endpoint)}`, { ...SESSION_OPTIONS, createConnection });
    this.#http2 = session;
    session.on("connect", () => {
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
      this.#unansweredPing = false;
    });
    session.on("error", keep);
    session.on("close", () => clearInterval(this.#probe));
    session.unref();
    this.#probe = setInterval(() => this.#probeServer(keepAliveMs), keepAliveMs).unref();
  }

  /** False once it takes no new calls: closed, lost, or told to go away. */
  get usable(): boolean {
    return !this.#http2.closed && !this.#http2.destroyed;
  }

  /** Why it broke, when it did. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** May throw when the session went away in this very turn. Keeps the process alive until the stream is closed. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#http2.request(headers, { endStream: false });
    if (this.#inFlight++ === 0) this.#http2.ref();
    stream.on("close", () => {
      if (--this.#inFlight === 0) this.#http2.unref();
    });
    return stream;
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#http2.destroy();
  }

  /** A peer that vanished without a word is only found by asking. */
  #probeServer(keepAliveMs: number): void {
    if (this.#inFlight === 0) {
      this.#unansweredPing = false;
      return;
    }
    if (this.#unansweredPing) {
      this.destroy(new Error(`no sign of life for ${keepAliveMs} ms`));
      return;
    }
    if (this.#http2.connecting) {
      this.#unansweredPing = true;
      return;
    }
    this.#unansweredPing = this.#http2.ping(() => {
      this.#unansweredPing = false;
    });
  }
}
