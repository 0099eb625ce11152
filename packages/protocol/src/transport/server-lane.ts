// The server's end of a lane (lane.proto): many small calls on one stream.
import { constants, type ServerHttp2Stream } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { LydianError } from "../errors.ts";
import { LaneRequestSchema, LaneResponseSchema } from "../generated/lydian/v1/lane_pb.js";
import type { Headers, Peer } from "./context.ts";
import { frame, MessageReader } from "./framing.ts";
import { MAX_ENVELOPE_BYTES, MAX_LANE_REQUEST_BYTES } from "./lane.ts";
import { type CallEnvironment, type PreparedMethod, ServedCall } from "./served-call.ts";
import { errorTrailers } from "./status.ts";

/** Calls that one lane may have open; a client of ours stays below. */
const MAX_CALLS = 16_384;
/** A client that does not read its answers is not read either beyond this. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
const RESPONSE_HEADERS = { ":status": 200, "content-type": "application/grpc", "grpc-accept-encoding": "identity" };

function ignore(): void {}

export interface LaneOptions<C> {
  readonly stream: ServerHttp2Stream;
  readonly headers: Headers;
  readonly peer: Peer;
  readonly environment: CallEnvironment<C>;
  /** Undefined for a path that is no unary method. */
  readonly method: (path: string) => PreparedMethod<C> | undefined;
  readonly onCall: (call: ServedCall<C>) => void;
  readonly onCallOver: (call: ServedCall<C>) => void;
}

export class ServerLane<C> {
  readonly #options: LaneOptions<C>;
  readonly #calls = new Map<number, LaneCall<C>>();
  readonly #reader: MessageReader;

  constructor(options: LaneOptions<C>) {
    this.#options = options;
    const { stream } = options;
    this.#reader = new MessageReader(MAX_LANE_REQUEST_BYTES + MAX_ENVELOPE_BYTES, "request");
    stream.on("error", ignore); // Always followed by "close".
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("end", () => this.end());
    stream.on("drain", () => stream.resume());
    stream.on("close", () => {
      for (const call of this.#calls.values()) call.abandon();
    });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.respond(RESPONSE_HEADERS, { waitForTrailers: true });
  }

  /** No more answers will come. */
  end(): void {
    if (!this.#options.stream.writableEnded) this.#options.stream.end();
  }

  #read(chunk: Buffer): void {
    try {
      for (const message of this.#reader.push(chunk)) {
        const { call, path, message: request, headers } = fromBinary(LaneRequestSchema, message);
        if (path === "") this.#calls.get(call)?.abandon();
        else this.#serve(call, path, request, headers);
      }
    } catch {
      // Whoever speaks something else is no client of ours.
      this.#options.stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
    }
  }

  #serve(id: number, path: string, request: Uint8Array, headers: Record<string, string>): void {
    const { environment, peer, method, onCall, onCallOver } = this.#options;
    // What comes while the server drains is left unanswered: the end of the connection sends its client elsewhere.
    if (environment.draining.aborted) return;
    if (this.#calls.has(id)) throw new LydianError("invalid_argument", `call ${id} is under way already`);
    const prepared = method(path);
    if (prepared === undefined) {
      this.#answer(id, undefined, new LydianError("unimplemented", `${path} is not served by this server`));
      return;
    }
    if (this.#calls.size >= MAX_CALLS) {
      this.#answer(id, undefined, new LydianError("resource_exhausted", `more than ${MAX_CALLS} calls wait on one connection`));
      return;
    }
    const all: Headers = Object.assign(Object.create(this.#options.headers), headers);
    const call = new LaneCall(prepared, environment, all, peer, (message, error) => this.#answer(id, message, error));
    this.#calls.set(id, call);
    onCall(call);
    void call.serve(request).finally(() => {
      this.#calls.delete(id);
      onCallOver(call);
    });
  }

  #answer(call: number, message: Uint8Array | undefined, error: LydianError | undefined): void {
    const { stream } = this.#options;
    if (stream.closed || stream.destroyed || stream.writableEnded) return;
    const response = create(LaneResponseSchema, {
      call,
      ...(message !== undefined && { message }),
      ...(error !== undefined && { trailers: errorTrailers(error) }),
    });
    for (const chunk of frame(toBinary(LaneResponseSchema, response))) stream.write(chunk);
    if (stream.writableLength > MAX_UNREAD_BYTES) stream.pause();
  }
}

class LaneCall<C> extends ServedCall<C> {
  readonly #answer: (message: Uint8Array | undefined, error: LydianError | undefined) => void;

  constructor(
    prepared: PreparedMethod<C>,
    environment: CallEnvironment<C>,
    headers: Headers,
    peer: Peer,
    answer: (message: Uint8Array | undefined, error: LydianError | undefined) => void,
  ) {
    super(prepared, environment, headers, peer);
    this.#answer = answer;
  }

  /** Serves the call; never rejects. */
  async serve(request: Uint8Array): Promise<void> {
    try {
      await this.begin();
      if (this.over) return;
      const result = this.handle(request);
      const response = result instanceof Promise ? await result : result;
      if (this.over) return;
      const message = this.encode(response);
      this.finish();
      this.#answer(message, undefined);
    } catch (error) {
      this.fail(error);
    }
  }

  protected override sendStatus(error: LydianError): void {
    this.#answer(undefined, error);
  }
}
