// The client's end of a lane (lane.proto): small unary calls share one stream.
import { type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { LaneRequestSchema, LaneResponseSchema } from "../generated/lydian/v1/lane_pb.js";
import type { CallScope } from "./call-scope.ts";
import { type Outcome, StatusWatch, type WireCall } from "./client-call.ts";
import type { ClientSession } from "./client-session.ts";
import { frame, MessageReader } from "./framing.ts";
import { LANE_PATH, MAX_ENVELOPE_BYTES } from "./lane.ts";
import { failureFromTrailers } from "./status.ts";

const MAX_ID = 2 ** 32 - 1;

export interface ClientLaneOptions {
  readonly url: string;
  readonly session: ClientSession;
  readonly headers: OutgoingHttpHeaders;
  readonly maxMessageBytes: number;
}

function ignore(): void {}

export class ClientLane {
  readonly #options: ClientLaneOptions;
  readonly #stream: ClientHttp2Stream;
  readonly #reader: MessageReader;
  readonly #waiting = new Map<number, { readonly path: string; readonly settle: (outcome: Outcome) => void }>();
  #lastId = 0;
  #ended = false;

  constructor(options: ClientLaneOptions) {
    this.#options = options;
    const { session, headers, url, maxMessageBytes } = options;
    const stream = session.open({ ...headers, ":path": LANE_PATH });
    this.#stream = stream;
    this.#reader = new MessageReader(maxMessageBytes + MAX_ENVELOPE_BYTES, "response");
    const status = new StatusWatch(url, stream);
    stream.on("error", ignore); // Always followed by "close".
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("end", () => {
      this.#ended = true;
      stream.end();
    });
    stream.on("close", () => {
      this.#ended = true;
      for (const { path, settle } of [...this.#waiting.values()]) {
        // A server that went away in good order has not answered these either.
        const message = `the connection to ${url} was ended before ${path} was answered`;
        settle({ failure: status.failure({ url, path }, session, stream) ?? { code: "unavailable", message, connectionLost: true } });
      }
    });
  }

  /** Whether calls over this session may use it. */
  opensOn(session: ClientSession): boolean {
    return this.#options.session === session && !this.#ended && !this.#stream.closed;
  }

  /** Resolves when the call is answered, or the lane has ended. The scope's end tells the server that nobody waits. */
  call(call: WireCall, scope: CallScope): Promise<Outcome> {
    return new Promise((resolve) => {
      const { session } = this.#options;
      const id = this.#newId();
      const settle = (outcome: Outcome) => {
        this.#waiting.delete(id);
        scope.whenStopped(undefined);
        session.release();
        resolve(outcome);
      };
      session.hold();
      this.#waiting.set(id, { path: call.path, settle });
      scope.whenStopped(() => {
        this.#send({ call: id });
        settle({ failure: { code: "cancelled", message: `${call.path} was given up` } });
      });
      this.#send({ call: id, path: call.path, message: call.message, headers: call.headers });
    });
  }

  #newId(): number {
    do this.#lastId = this.#lastId === MAX_ID ? 1 : this.#lastId + 1;
    while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }

  #send(request: { call: number; path?: string; message?: Uint8Array; headers?: Record<string, string> }): void {
    if (this.#stream.closed || this.#stream.writableEnded) return;
    for (const chunk of frame(toBinary(LaneRequestSchema, create(LaneRequestSchema, request)))) this.#stream.write(chunk);
  }

  #read(chunk: Buffer): void {
    try {
      for (const bytes of this.#reader.push(chunk)) {
        const { call, message, trailers } = fromBinary(LaneResponseSchema, bytes);
        const failure = trailers["grpc-status"] === undefined ? undefined : failureFromTrailers(trailers);
        // One that was given up meanwhile has nobody to hear of it.
        this.#waiting.get(call)?.settle(failure === undefined ? { message } : { failure });
      }
    } catch {
      this.#stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
    }
  }
}
