// Streams of requests come from official clients only; ours send one message at a time. So the client here is plain HTTP/2.
import { type ClientHttp2Stream, connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { TaskCommandRouter, TaskExecStdinWriteStreamRequestSchema } from "../generated/modal/task_command_router/task_command_router_pb.js";
import { frame } from "./framing.ts";
import { createServer } from "./server.ts";
import { type Handlers, service } from "./service.ts";

const PATH = "/modal.task_command_router.TaskCommandRouter/TaskExecStdinWriteStream";
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function open(handler: Handlers<typeof TaskCommandRouter, null>["taskExecStdinWriteStream"]): Promise<ClientHttp2Stream> {
  const handlers = { taskExecStdinWriteStream: handler };
  const server = createServer<null>({
    services: [service<typeof TaskCommandRouter, null>(TaskCommandRouter, handlers)],
    authenticate: () => null,
  });
  const { address } = await server.listen({ port: 0 });
  const session = connect(address);
  ends.push(
    () => server.close(),
    () => session.close(),
  );
  const stream = session.request({ ":method": "POST", ":path": PATH, "content-type": "application/grpc", te: "trailers" });
  stream.on("error", () => {});
  stream.resume();
  return stream;
}

function send(stream: ClientHttp2Stream, data: string): void {
  const payload = { case: "data", value: Buffer.from(data) } as const;
  for (const chunk of frame(toBinary(TaskExecStdinWriteStreamRequestSchema, create(TaskExecStdinWriteStreamRequestSchema, { payload }))))
    stream.write(chunk);
}

const trailers = (stream: ClientHttp2Stream): Promise<Record<string, unknown>> =>
  new Promise((resolve) => {
    stream.on("trailers", resolve);
    stream.on("response", (headers) => headers["grpc-status"] !== undefined && resolve(headers));
  });

describe("a stream of requests", () => {
  it("reaches the handler message by message, and is answered once", async () => {
    const seen: string[] = [];
    const stream = await open(async (requests) => {
      for await (const { payload } of requests) if (payload.case === "data") seen.push(Buffer.from(payload.value).toString());
      return {};
    });
    const answered = trailers(stream);
    for (const word of ["one", "two", "three"]) send(stream, word);
    stream.end();
    expect((await answered)["grpc-status"]).toBe("0");
    expect(seen).toEqual(["one", "two", "three"]);
  });

  it("throws in the handler when its client goes in the middle", async () => {
    let started = () => {};
    const first = new Promise<void>((resolve) => {
      started = resolve;
    });
    const end = new Promise<unknown>((resolve) => {
      void open(async (requests) => {
        try {
          for await (const _ of requests) started();
          resolve(undefined);
        } catch (error) {
          resolve(error);
        }
        return {};
      }).then(async (stream) => {
        send(stream, "half");
        await first;
        stream.destroy();
      });
    });
    await expect(end).resolves.toMatchObject({ code: "cancelled" });
  });

  it("is ended by what the handler throws", async () => {
    const stream = await open(async () => {
      throw new RangeError("broken");
    });
    const answered = trailers(stream);
    send(stream, "ignored");
    expect((await answered)["grpc-status"]).toBe("13");
  });
});
