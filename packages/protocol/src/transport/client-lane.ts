// The client's end of a lane (lane.proto): small unary calls share one stream.
import { type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { LaneRequestSchema, LaneResponseSchema } from "../generated/lydian/v1/lane_pb.js";
import type { CallScope } from "./call-scope.ts";
import { type Outcome, StatusWatch, type WireCall } from "./client-call.ts";
import type { ClientSession } from "./client-session.ts";
import { frame, MessageReader } from "./framing.ts";
import { LANE_PATH, MAX_ENVELOPE_BYTES, MAX_LANE_CALLS } from "./lane.ts";
import { failureFromTrailers } from "./status.ts";

export interface ClientLaneOptions {
  readonly url: string;
  readonly session: ClientSession;
  readonly headers: OutgoingHttpHeaders;
  readonly maxMessageBytes: number;
}

interface Waiting {
  readonly path: string;
  readonly settle: (outcome: Outcome) => void;
}

function ignore(): void {}

export class ClientLane {
  readonly #options: ClientLaneOptions;
  readonly #stream: ClientHttp2Stream;
  readonly #reader: MessageReader;
  /** By number. */
  readonly #waiting: (Waiting | undefined)[] = [];
  /** Numbers that have been used and are free again. */
  readonly #free: number[] = [];
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
      for (const waiting of this.#waiting) {
        if (waiting === undefined) continue;
        const { path, settle } = waiting;
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

  /** Whether one more call can be under way. */
  get hasRoom(): boolean {
    return this.#free.length > 0 || this.#lastId < MAX_LANE_CALLS;
  }

  /** Resolves when the call is answered, or the lane has ended. The scope's end tells the server that nobody waits. */
  call(call: WireCall, scope: CallScope): Promise<Outcome> {
    return new Promise((resolve) => {
      const { session } = this.#options;
      const id = this.#free.pop() ?? ++this.#lastId;
      const free = () => {
        this.#waiting[id] = undefined;
        this.#free.push(id);
      };
      const over = (outcome: Outcome) => {
        scope.whenStopped(undefined);
        session.release();
        resolve(outcome);
      };
      session.hold();
      this.#waiting[id] = {
        path: call.path,
        settle: (outcome) => {
          free();
          over(outcome);
        },
      };
      scope.whenStopped(() => {
        this.#send({ call: id });
        // An answer may be on its way already; the number is free when that, or the server's word that there is none, has come.
        this.#waiting[id] = { path: call.path, settle: free };
        over({ failure: { code: "cancelled", message: `${call.path} was given up` } });
      });
      this.#send({ call: id, path: call.path, message: call.message, headers: call.headers });
    });
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
        this.#waiting[call]?.settle(failure === undefined ? { message } : { failure });
      }
    } catch {
      this.#stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
    }
  }
}
