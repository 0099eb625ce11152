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

  /** A stream for one call. May throw when the session went away in this very turn. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.open(headers);
    this.hold();
    stream.on("close", () => this.release());
    return stream;
  }

  /** A stream for many calls, each of which is to be held. */
  open(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    return this.#http2.request(headers, { endStream: false });
  }

  /** A call is in flight: the process stays alive, and the server is probed, until `release`. */
  hold(): void {
    if (this.#inFlight++ === 0) this.#http2.ref();
  }

  release(): void {
    if (--this.#inFlight === 0) this.#http2.unref();
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
