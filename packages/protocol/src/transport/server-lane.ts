// The server's end of a lane (lane.proto): many small calls on one stream.
import { constants, type ServerHttp2Stream } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { LydianError } from "../errors.ts";
import { LaneRequestSchema, LaneResponseSchema } from "../generated/lydian/v1/lane_pb.js";
import type { Headers, Peer } from "./context.ts";
import { frame, MessageReader } from "./framing.ts";
import { MAX_ENVELOPE_BYTES, MAX_LANE_CALLS, MAX_LANE_REQUEST_BYTES } from "./lane.ts";
import { type CallEnvironment, type PreparedMethod, RESPONSE_HEADERS, ServedCall } from "./served-call.ts";
import { errorTrailers } from "./status.ts";

/** A client that does not read its answers is not read either beyond this. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

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
  /** Those that have no answer yet, by number. */
  readonly #calls: (LaneCall<C> | undefined)[] = [];
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
      for (const call of this.#calls) call?.abandon();
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
        if (path === "") this.#giveUp(call);
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
    if (id < 1 || id > MAX_LANE_CALLS) throw new LydianError("invalid_argument", `${id} is no number of a call`);
    if (this.#calls[id] !== undefined) throw new LydianError("invalid_argument", `call ${id} is under way already`);
    const prepared = method(path);
    if (prepared === undefined) {
      this.#answer(id, undefined, new LydianError("unimplemented", `${path} is not served by this server`));
      return;
    }
    const all: Headers = Object.assign(Object.create(this.#options.headers), headers);
    const call = new LaneCall(prepared, environment, all, peer, (message, error) => {
      this.#calls[id] = undefined;
      this.#answer(id, message, error);
    });
    this.#calls[id] = call;
    onCall(call);
    void call.serve(request).finally(() => onCallOver(call));
  }

  /** Each number is answered once, so that its client knows when it is free again. */
  #giveUp(id: number): void {
    const call = this.#calls[id];
    // Its answer is on its way.
    if (call === undefined) return;
    call.abandon();
    this.#calls[id] = undefined;
    this.#answer(id, undefined, new LydianError("cancelled", `${call.method} was given up`));
  }

  #answer(call: number, message: Uint8Array | undefined, error: LydianError | undefined): void {
    const { stream } = this.#options;
    if (stream.closed || stream.destroyed || stream.writableEnded) return;
    const response = create(LaneResponseSchema, {
      call,
      ...(message !== undefined && { message }),
      ...(error !== undefined && { trailers: errorTrailers(error, true) }),
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
