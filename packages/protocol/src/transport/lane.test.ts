// What only a client that is not ours, or one that misbehaves, can make of a lane. That calls on it are calls like any other is what all
// other tests of the transport show.
import http2, { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { LaneRequestSchema, type LaneResponse, LaneResponseSchema } from "../generated/lydian/v1/lane_pb.js";
import { AppCreateRequestSchema, AppCreateResponseSchema } from "../generated/modal/client/apps_pb.js";
import { frame, MessageReader } from "./framing.ts";
import { LANE_PATH } from "./lane.ts";
import { failureFromTrailers } from "./status.ts";
import { fired, Gate, start, type TestHandlers } from "./test-service.ts";

const APP_CREATE = "/modal.client.ModalClient/AppCreate";

class RawLane implements AsyncDisposable {
  readonly stream: ClientHttp2Stream;
  readonly closed: Promise<number>;
  readonly #session: ClientHttp2Session;
  readonly #waiting = new Map<number, (response: LaneResponse) => void>();
  /** The numbers of all answers. */
  readonly answers: number[] = [];

  constructor(url: string) {
    this.#session = http2.connect(url);
    this.stream = this.#session.request({ ":method": "POST", ":path": LANE_PATH, "content-type": "application/grpc", "x-of": "the lane" });
    this.stream.on("error", () => {});
    this.closed = new Promise((resolve) => this.stream.on("close", () => resolve(this.stream.rstCode ?? 0)));
    const reader = new MessageReader(1 << 20, "response");
    this.stream.on("data", (chunk: Buffer) => {
      for (const message of reader.push(chunk)) {
        const response = fromBinary(LaneResponseSchema, message);
        this.answers.push(response.call);
        this.#waiting.get(response.call)?.(response);
      }
    });
  }

  answerTo(call: number): Promise<LaneResponse> {
    return new Promise((resolve) => this.#waiting.set(call, resolve));
  }

  send(request: MessageInitShape<typeof LaneRequestSchema>): Promise<LaneResponse> {
    const answered = this.answerTo(request.call ?? 0);
    for (const chunk of frame(toBinary(LaneRequestSchema, create(LaneRequestSchema, request)))) this.stream.write(chunk);
    return answered;
  }

  appCreate(call: number, description: string, headers: Record<string, string> = {}): Promise<LaneResponse> {
    const message = toBinary(AppCreateRequestSchema, create(AppCreateRequestSchema, { description }));
    return this.send({ call, path: APP_CREATE, message, headers });
  }

  async [Symbol.asyncDispose]() {
    await new Promise<void>((resolve) => this.#session.close(resolve));
    this.#session.destroy();
  }
}

const echo: TestHandlers = { appCreate: ({ description }) => ({ appId: description }) };
const appId = ({ message }: LaneResponse) => fromBinary(AppCreateResponseSchema, message).appId;

it("answers calls in the order in which they end, each with its number", async () => {
  const gate = new Gate();
  await using harness = await start("tcp", {
    appCreate: async ({ description }) => {
      if (description === "slow") await gate.opened;
      return { appId: description };
    },
  });
  await using lane = new RawLane(harness.listener.address);
  const slow = lane.appCreate(7, "slow");
  expect(appId(await lane.appCreate(8, "quick"))).toBe("quick");
  gate.open();
  expect(appId(await slow)).toBe("slow");
  lane.stream.end();
  await lane.closed;
});

it("gives a handler the headers of the lane and, on top, those of the call", async () => {
  await using harness = await start("tcp", {
    appCreate: (_request, { headers }) => ({ appId: `${headers["x-of"]}, ${headers["x-more"]}` }),
  });
  await using lane = new RawLane(harness.listener.address);
  expect(appId(await lane.appCreate(1, "", { "x-more": "and the call" }))).toBe("the lane, and the call");
  expect(appId(await lane.appCreate(2, "", { "x-of": "the call" }))).toBe("the call, undefined");
  lane.stream.end();
  await lane.closed;
});

it.each([
  ["/modal.client.ModalClient/Nothing", "unimplemented"],
  ["/modal.client.ModalClient/AppGetLogs", "unimplemented"],
])("refuses %s, which is no unary method, and goes on", async (path, code) => {
  await using harness = await start("tcp", echo);
  await using lane = new RawLane(harness.listener.address);
  const { trailers } = await lane.send({ call: 1, path });
  expect(failureFromTrailers(trailers)).toMatchObject({ code, message: expect.stringContaining(path) });
  expect(appId(await lane.appCreate(1, "again"))).toBe("again");
  lane.stream.end();
  await lane.closed;
});

it("tells the handler when its call is given up, by name or with the lane", async () => {
  const gate = new Gate();
  const told: Promise<unknown>[] = [];
  await using harness = await start("tcp", {
    appCreate: async (_request, { signal }) => {
      told.push(fired(signal));
      if (told.length === 2) gate.open();
      await fired(signal);
      return {};
    },
  });
  await using lane = new RawLane(harness.listener.address);
  void lane.appCreate(1, "a");
  void lane.appCreate(2, "b");
  await gate.opened;
  void lane.send({ call: 1, path: "" });
  expect(await told[0]).toMatchObject({ code: "cancelled" });
  lane.stream.close(constants.NGHTTP2_CANCEL);
  expect(await told[1]).toMatchObject({ code: "cancelled" });
  expect(harness.errors).toEqual([]);
});

it("answers each number once: that its call was given up, or what was on the way already", async () => {
  const entered = new Gate();
  await using harness = await start("tcp", {
    appCreate: async ({ description }, { signal }) => {
      if (description !== "waits") return { appId: description };
      entered.open();
      await fired(signal);
      // Whatever a handler makes of it, nobody hears it.
      return { appId: "too late" };
    },
  });
  await using lane = new RawLane(harness.listener.address);
  const waits = lane.appCreate(1, "waits");
  await entered.opened;
  void lane.send({ call: 1, path: "" });
  const { trailers } = await Promise.race([waits, lane.answerTo(1)]);
  expect(failureFromTrailers(trailers)?.code).toBe("cancelled");
  expect(appId(await lane.appCreate(1, "the same number"))).toBe("the same number");
  void lane.send({ call: 1, path: "" });
  expect(appId(await lane.appCreate(1, "again"))).toBe("again");
  expect(lane.answers).toEqual([1, 1, 1]);
  lane.stream.end();
  await lane.closed;
});

it.each([
  ["bytes that are no message", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["a message that is no request", Buffer.concat(frame(Buffer.from("\xff\xff\xff\xff", "latin1")))],
])("ends a lane that brings %s, and nothing else", async (_what, bytes) => {
  await using harness = await start("tcp", echo);
  await using lane = new RawLane(harness.listener.address);
  lane.stream.write(bytes);
  expect(await lane.closed).toBe(constants.NGHTTP2_PROTOCOL_ERROR);
  expect((await harness.client.appCreate({ description: "another" })).appId).toBe("another");
});

it.each([0, 16_385, 2 ** 32 - 1])("ends a lane that numbers a call %d", async (number) => {
  await using harness = await start("tcp", echo);
  await using lane = new RawLane(harness.listener.address);
  void lane.appCreate(number, "a");
  expect(await lane.closed).toBe(constants.NGHTTP2_PROTOCOL_ERROR);
});

it("gives no call another's answer, whatever is given up in between", async () => {
  await using harness = await start("tcp", {
    appCreate: async ({ description }) => {
      await new Promise((resolve) => setImmediate(resolve));
      return { appId: description };
    },
  });
  const call = async (index: number) => {
    const options = index % 3 === 0 ? { signal: AbortSignal.timeout(index % 5) } : {};
    const outcome = await harness.client.appCreate({ description: String(index) }, options).catch(() => undefined);
    if (outcome !== undefined) expect(outcome.appId).toBe(String(index));
    return outcome;
  };
  for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 50 }, (_, i) => call(round * 50 + i)));
  expect(harness.errors).toEqual([]);
});

it("ends a lane that gives two calls under way one number", async () => {
  await using harness = await start("tcp", {
    appCreate: ({ description }, { signal }) => fired(signal).then(() => ({ appId: description })),
  });
  await using lane = new RawLane(harness.listener.address);
  void lane.appCreate(5, "a");
  void lane.appCreate(5, "b");
  expect(await lane.closed).toBe(constants.NGHTTP2_PROTOCOL_ERROR);
});
