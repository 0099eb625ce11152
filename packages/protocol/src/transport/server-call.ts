// One gRPC call on a stream of its own, from its headers to its trailers.
import { constants, type ServerHttp2Stream } from "node:http2";
import { LydianError } from "../errors.ts";
import type { Headers, Peer } from "./context.ts";
import { frame, MessageReader } from "./framing.ts";
import { type CallEnvironment, type PreparedMethod, RESPONSE_HEADERS, ServedCall } from "./served-call.ts";
import { errorTrailers } from "./status.ts";

const WITH_TRAILERS = { waitForTrailers: true };
const TRAILERS_ONLY = { endStream: true };
const OK_TRAILERS = { "grpc-status": "0" };

function ignore(): void {}

export class ServerCall<C> extends ServedCall<C> {
  readonly #stream: ServerHttp2Stream;
  #trailers: Record<string, string> = OK_TRAILERS;
  #responses: AsyncIterator<unknown> | undefined;

  constructor(prepared: PreparedMethod<C>, environment: CallEnvironment<C>, stream: ServerHttp2Stream, headers: Headers, peer: Peer) {
    super(prepared, environment, headers, peer);
    this.#stream = stream;
  }

  /** Serves the call; never rejects. */
  async serve(): Promise<void> {
    const stream = this.#stream;
    stream.on("error", ignore); // Always followed by "close".
    stream.on("close", () => this.abandon());
    stream.on("wantTrailers", () => stream.sendTrailers(this.#trailers));
    try {
      await this.begin();
      if (this.prepared.kind === "client_streaming") {
        this.#sendOne(await this.prepared.handler(this.#readRequests() as never, this));
        return;
      }
      const bytes = await this.#readRequest();
      if (this.over) return;
      const result = this.handle(bytes);
      if (this.prepared.kind === "server_streaming") await this.#sendAll(result as AsyncIterable<unknown>);
      else this.#sendOne(result instanceof Promise ? await result : result);
    } catch (error) {
      this.fail(error);
    }
  }

  #readRequest(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const stream = this.#stream;
      const reader = new MessageReader(this.environment.maxMessageBytes, "request");
      let message: Uint8Array | undefined;
      stream.on("data", (chunk: Buffer) => {
        try {
          for (const next of reader.push(chunk)) {
            if (message !== undefined) throw new LydianError("unimplemented", `${this.method} takes one request message, not a stream`);
            message = next;
          }
        } catch (error) {
          reject(error);
        }
      });
      stream.on("end", () => {
        if (message !== undefined && reader.atBoundary) resolve(message);
        else reject(new LydianError("invalid_argument", `the request of ${this.method} ended inside its message`));
      });
      // Every call's stream closes; an error is made only for one that closes early.
      stream.on("close", () => {
        if (!stream.readableEnded) reject(new LydianError("cancelled", "the client is gone"));
      });
    });
  }

  /** Throws in the reader when the client goes before the end of its stream. */
  async *#readRequests(): AsyncGenerator<unknown> {
    const reader = new MessageReader(this.environment.maxMessageBytes, "request");
    try {
      for await (const chunk of this.#stream) for (const message of reader.push(chunk as Buffer)) yield this.decode(message);
    } catch (cause) {
      if (LydianError.is(cause)) throw cause;
      throw new LydianError("cancelled", `the client gave up ${this.method}`, { cause });
    }
    if (!this.#stream.readableEnded) throw new LydianError("cancelled", `the client gave up ${this.method}`);
    if (!reader.atBoundary) throw new LydianError("invalid_argument", `the requests of ${this.method} ended inside a message`);
  }

  #sendOne(response: unknown): void {
    if (this.over) return;
    const message = this.encode(response);
    this.finish();
    this.#stream.respond(RESPONSE_HEADERS, WITH_TRAILERS);
    const chunks = frame(message);
    for (let i = 0; i < chunks.length - 1; i++) this.#stream.write(chunks[i]);
    this.#stream.end(chunks[chunks.length - 1]);
  }

  async #sendAll(responses: AsyncIterable<unknown>): Promise<void> {
    if (this.over) return;
    const stream = this.#stream;
    const iterator = responses[Symbol.asyncIterator]();
    this.#responses = iterator;
    // At once, so that a client knows the stream is served before there is anything to say.
    stream.respond(RESPONSE_HEADERS, WITH_TRAILERS);
    try {
      for (;;) {
        const next = await iterator.next();
        if (this.over) return;
        if (next.done) break;
        let flushed = true;
        for (const chunk of frame(this.encode(next.value))) flushed = stream.write(chunk);
        if (!flushed) await drained(stream);
        if (this.over) return;
      }
    } catch (error) {
      iterator.return?.().catch(ignore);
      throw error;
    }
    this.finish();
    stream.end();
  }

  protected override sendStatus(error: LydianError): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    this.#trailers = errorTrailers(error, this.isOurs);
    if (stream.headersSent) stream.end();
    else stream.respond({ ...RESPONSE_HEADERS, ...this.#trailers }, TRAILERS_ONLY);
    // Tells a client that is still sending to stop.
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  }

  protected override stop(reason: LydianError): void {
    super.stop(reason);
    this.#responses?.return?.().catch(ignore);
  }
}

/** Until the reader has caught up or is gone. */
function drained(stream: ServerHttp2Stream): Promise<void> {
  if (stream.destroyed || stream.closed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}
