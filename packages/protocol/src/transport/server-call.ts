// One gRPC call on the server, from its headers to its trailers.
//
//   open ──response or error sent──▶ over
//     └──client gone, deadline, shutdown (aborts the signal)──▶ over
import { constants, type ServerHttp2Stream } from "node:http2";
import type { DescMessage } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ERROR_CODES, LydianError } from "../errors.ts";
import type { CallContext, Headers, Peer } from "./context.ts";
import { checkSize, frame, MessageReader } from "./framing.ts";
import { errorTrailers } from "./status.ts";
import { MAX_TIMER_MS, parseTimeout } from "./timeout.ts";

/** A method, looked up by path once per call. */
export interface PreparedMethod<C> {
  readonly path: string;
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly streaming: boolean;
  readonly handler: (request: never, context: CallContext<C>) => unknown;
}

/** What all calls of a server share. */
export interface CallEnvironment<C> {
  readonly authenticate: (headers: Headers, peer: Peer, method: string) => C | Promise<C>;
  readonly onError: (error: unknown, method: string) => void;
  readonly maxMessageBytes: number;
  readonly draining: AbortSignal;
}

const RESPONSE_HEADERS = { ":status": 200, "content-type": "application/grpc", "grpc-accept-encoding": "identity" };
const WITH_TRAILERS = { waitForTrailers: true };
const TRAILERS_ONLY = { endStream: true };
const OK_TRAILERS = { "grpc-status": "0" };

function ignore(): void {}

export class ServerCall<C> implements CallContext<C> {
  readonly headers: Headers;
  readonly peer: Peer;
  readonly #prepared: PreparedMethod<C>;
  readonly #environment: CallEnvironment<C>;
  readonly #stream: ServerHttp2Stream;
  #caller: C | undefined;
  #over = false;
  #abortReason: LydianError | undefined;
  #controller: AbortController | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #trailers: Record<string, string> = OK_TRAILERS;
  #responses: AsyncIterator<unknown> | undefined;

  constructor(prepared: PreparedMethod<C>, environment: CallEnvironment<C>, stream: ServerHttp2Stream, headers: Headers, peer: Peer) {
    this.#prepared = prepared;
    this.#environment = environment;
    this.#stream = stream;
    this.headers = headers;
    this.peer = peer;
  }

  get method(): string {
    return this.#prepared.path;
  }

  get caller(): C {
    return this.#caller as C; // Set before a handler can see this object.
  }

  get draining(): AbortSignal {
    return this.#environment.draining;
  }

  /** Made when first asked for: most calls never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Serves the call; never rejects. */
  async serve(): Promise<void> {
    const stream = this.#stream;
    stream.on("error", ignore); // Always followed by "close".
    stream.on("close", () => this.#onClose());
    stream.on("wantTrailers", () => stream.sendTrailers(this.#trailers));
    try {
      const timeout = this.headers["grpc-timeout"];
      if (timeout !== undefined) this.#startDeadline(timeout);
      const caller = this.#environment.authenticate(this.headers, this.peer, this.method);
      this.#caller = caller instanceof Promise ? await caller : caller;
      const bytes = await this.#readRequest();
      if (this.#over) return;
      const request = decode(this.#prepared.input, bytes) as never;
      const result = this.#prepared.handler(request, this);
      if (this.#prepared.streaming) await this.#sendAll(result as AsyncIterable<unknown>);
      else this.#sendOne(result instanceof Promise ? await result : result);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends the call from outside: the handler's signal fires and the client gets `reason`. */
  abort(reason: LydianError): void {
    if (this.#over) return;
    this.#stop(reason);
    this.#sendStatus(reason);
  }

  #startDeadline(header: string): void {
    const timeoutMs = parseTimeout(header);
    if (timeoutMs === undefined) throw new LydianError("invalid_argument", `grpc-timeout "${header}" is not digits and a unit (HMSmun)`);
    const elapsed = () => this.abort(new LydianError("deadline_exceeded", `${this.method} did not finish within ${timeoutMs} ms`));
    this.#deadline = setTimeout(elapsed, Math.min(timeoutMs, MAX_TIMER_MS));
  }

  #readRequest(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const stream = this.#stream;
      const reader = new MessageReader(this.#environment.maxMessageBytes, "request");
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
      stream.on("close", () => reject(new LydianError("cancelled", "the client is gone")));
    });
  }

  #sendOne(response: unknown): void {
    if (this.#over) return;
    const message = this.#encode(response);
    this.#finish();
    this.#stream.respond(RESPONSE_HEADERS, WITH_TRAILERS);
    const chunks = frame(message);
    for (let i = 0; i < chunks.length - 1; i++) this.#stream.write(chunks[i]);
    this.#stream.end(chunks[chunks.length - 1]);
  }

  async #sendAll(responses: AsyncIterable<unknown>): Promise<void> {
    if (this.#over) return;
    const stream = this.#stream;
    const iterator = responses[Symbol.asyncIterator]();
    this.#responses = iterator;
    // At once, so that a client knows the stream is served before there is anything to say.
    stream.respond(RESPONSE_HEADERS, WITH_TRAILERS);
    try {
      for (;;) {
        const next = await iterator.next();
        if (this.#over) return;
        if (next.done) break;
        let flushed = true;
        for (const chunk of frame(this.#encode(next.value))) flushed = stream.write(chunk);
        if (!flushed) await drained(stream);
        if (this.#over) return;
      }
    } catch (error) {
      iterator.return?.().catch(ignore);
      throw error;
    }
    this.#finish();
    stream.end();
  }

  #encode(response: unknown): Uint8Array {
    const { output } = this.#prepared;
    const message = toBinary(output, create(output, response as never));
    checkSize(message.byteLength, this.#environment.maxMessageBytes, "response");
    return message;
  }

  #fail(error: unknown): void {
    const { onError } = this.#environment;
    if (this.#over) {
      // What a handler throws because it was aborted is no news; anything else still is.
      if (error !== this.#abortReason && !isAbort(error) && !LydianError.is(error)) onError(error, this.method);
      return;
    }
    this.#finish();
    if (LydianError.is(error)) {
      if (ERROR_CODES[error.code].fault === "system" && error.code !== "unavailable") onError(error, this.method);
      this.#sendStatus(error);
      return;
    }
    onError(error, this.method);
    this.#sendStatus(new LydianError("internal", `${this.method} failed inside the server; the cause is in the server's log`));
  }

  #sendStatus(error: LydianError): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    this.#trailers = errorTrailers(error);
    if (stream.headersSent) stream.end();
    else stream.respond({ ...RESPONSE_HEADERS, ...this.#trailers }, TRAILERS_ONLY);
    // Tells a client that is still sending to stop.
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #onClose(): void {
    if (!this.#over) this.#stop(new LydianError("cancelled", `the client gave up ${this.method}`));
  }

  #stop(reason: LydianError): void {
    this.#finish();
    this.#abortReason = reason;
    this.#controller?.abort(reason);
    this.#responses?.return?.().catch(ignore);
  }

  #finish(): void {
    this.#over = true;
    if (this.#deadline !== undefined) clearTimeout(this.#deadline);
  }
}

function decode(schema: DescMessage, bytes: Uint8Array): unknown {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new LydianError("invalid_argument", `the request is no valid ${schema.typeName}: ${(cause as Error).message}`, { cause });
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
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
