// One attempt at a call on a stream of its own: unary as a promise, server-streaming as an async generator.
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { LydianError } from "../errors.ts";
import type { CallScope } from "./call-scope.ts";
import { closedFailure, errorOf, httpFailure } from "./client-failure.ts";
import type { ClientSession } from "./client-session.ts";
import { frame, MessageReader } from "./framing.ts";
import { type Failure, failureFromTrailers } from "./status.ts";

/** A call as it goes on the wire. */
export interface WireCall {
  readonly url: string;
  readonly path: string;
  /** Of every call of the connection. */
  readonly commonHeaders: OutgoingHttpHeaders;
  /** Of this one, on top. */
  readonly headers: Record<string, string>;
  readonly message: Uint8Array;
  readonly maxMessageBytes: number;
}

/** The message of the answer, or why there is none. */
export type Outcome =
  | { readonly message: Uint8Array; readonly failure?: undefined }
  | { readonly failure: Failure; readonly message?: undefined };

function ignore(): void {}

/** Status of a stream as its headers and trailers arrive; undefined until it is known. */
export class StatusWatch {
  #trailers: IncomingHttpHeaders | undefined;
  #httpFailure: Failure | undefined;

  constructor(url: string, stream: ClientHttp2Stream) {
    stream.on("response", (headers) => {
      const status = headers[":status"] ?? 0;
      if (headers["grpc-status"] !== undefined) this.#trailers = headers;
      else if (status !== 200) this.#httpFailure = httpFailure(url, status);
    });
    stream.on("trailers", (trailers) => {
      this.#trailers = trailers;
    });
  }

  /** After the stream has closed. Undefined when the call went well. */
  failure(call: Pick<WireCall, "url" | "path">, session: ClientSession, stream: ClientHttp2Stream): Failure | undefined {
    if (this.#trailers !== undefined) return failureFromTrailers(this.#trailers);
    return this.#httpFailure ?? closedFailure(call.url, call.path, session, stream);
  }
}

function send(call: WireCall, session: ClientSession): ClientHttp2Stream {
  const stream = session.request({ ...call.commonHeaders, ...call.headers, ":path": call.path });
  stream.on("error", ignore); // Always followed by "close".
  const chunks = frame(call.message);
  for (const chunk of chunks.slice(0, -1)) stream.write(chunk);
  stream.end(chunks.at(-1));
  return stream;
}

/** Resolves when the stream has ended, however it did. The scope's end resets it. */
export function unaryAttempt(call: WireCall, session: ClientSession, scope: CallScope): Promise<Outcome> {
  return new Promise((resolve) => {
    const stream = send(call, session);
    const status = new StatusWatch(call.url, stream);
    const reader = new MessageReader(call.maxMessageBytes, "response");
    let message: Uint8Array | undefined;
    let broken: LydianError | undefined;
    scope.whenStopped(() => stream.close(constants.NGHTTP2_CANCEL));
    stream.on("data", (chunk: Buffer) => {
      try {
        for (const next of reader.push(chunk)) message = next;
      } catch (error) {
        broken = error as LydianError;
        stream.close(constants.NGHTTP2_CANCEL);
      }
    });
    stream.on("close", () => {
      scope.whenStopped(undefined);
      const failure = broken ?? status.failure(call, session, stream);
      if (failure !== undefined) resolve({ failure });
      else if (message === undefined) resolve({ failure: { code: "internal", message: `${call.path} was answered without a message` } });
      else resolve({ message });
    });
  });
}

/** Yields the response messages. Leaving the loop resets the stream; a slow reader slows the server down. */
export async function* streamAttempt(
  call: WireCall,
  session: ClientSession,
  scope: CallScope,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = send(call, session);
  const status = new StatusWatch(call.url, stream);
  const closed = new Promise<void>((resolve) => stream.on("close", resolve));
  const reader = new MessageReader(call.maxMessageBytes, "response");
  scope.whenStopped(() => stream.close(constants.NGHTTP2_CANCEL));
  try {
    try {
      for await (const chunk of stream) {
        for (const message of reader.push(chunk as Buffer)) {
          yield message;
          scope.check();
        }
      }
    } catch (error) {
      if (LydianError.is(error)) throw error;
      // The stream's own error says less than what is known of its connection, below.
    }
    scope.check();
    await closed;
    scope.check();
    const failure = status.failure(call, session, stream);
    if (failure !== undefined) throw errorOf(failure);
  } finally {
    scope.whenStopped(undefined);
    if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  }
}
