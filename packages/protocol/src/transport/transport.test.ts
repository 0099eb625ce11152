import { describe, expect, it } from "vitest";
import { LydianError } from "../errors.ts";
import { Lydian } from "../generated/lydian/v1/lydian_pb.js";
import { openSocket, parseEndpoint } from "./endpoint.ts";
import { type Context, failure, fired, Gate, start, TRANSPORTS } from "./test-service.ts";

const MIB = 1024 * 1024;

describe.each(TRANSPORTS)("gRPC over %s", (transport) => {
  it("answers a unary call", async () => {
    await using h = await start(transport, { appCreate: (request, { caller }) => ({ appId: `ap-${request.description}-${caller.name}` }) });
    expect((await h.client.appCreate({ description: "hello" })).appId).toBe("ap-hello-tester");
  });

  it("answers an empty message", async () => {
    await using h = await start(transport, { appHeartbeat: () => ({}) });
    await h.client.appHeartbeat({});
  });

  it("streams messages in order and ends", async () => {
    await using h = await start(transport, {
      async *appGetLogs() {
        for (let i = 0; i < 500; i++) yield { entryId: String(i) };
      },
    });
    const ids: string[] = [];
    for await (const batch of h.client.appGetLogs({})) ids.push(batch.entryId);
    expect(ids).toEqual(Array.from({ length: 500 }, (_, i) => String(i)));
  });

  it("delivers stream messages as they come", async () => {
    const gate = new Gate();
    await using h = await start(transport, {
      async *appGetLogs() {
        yield { entryId: "1" };
        await gate.opened;
        yield { entryId: "2" };
      },
    });
    const stream = h.client.appGetLogs({})[Symbol.asyncIterator]();
    expect((await stream.next()).value?.entryId).toBe("1");
    gate.open();
    expect((await stream.next()).value?.entryId).toBe("2");
    expect((await stream.next()).done).toBe(true);
  });

  it("carries an error's code, text, hint and retry time", async () => {
    const text = "no app „größe“ — 100 % sure\n第二行 🎈";
    await using h = await start(transport, {
      appCreate: () => {
        throw new LydianError("not_found", text, { hint: "Try `lydian app list`.", retryAfterMs: 1500 });
      },
    });
    const error = await failure(h.client.appCreate({}, { retry: false }));
    expect(error).toMatchObject({
      code: "not_found",
      message: text,
      hint: "Try `lydian app list`.",
      retryAfterMs: 1500,
      retryable: true,
    });
    expect(error.stack).toContain("transport.test.ts");
    expect(h.errors).toEqual([]);
  });

  it("carries an error that ends a stream", async () => {
    await using h = await start(transport, {
      async *appGetLogs() {
        yield { entryId: "1" };
        throw new LydianError("data_loss", "the log is torn");
      },
    });
    const ids: string[] = [];
    const read = async () => {
      for await (const batch of h.client.appGetLogs({})) ids.push(batch.entryId);
    };
    expect(await failure(read())).toMatchObject({ code: "data_loss", message: "the log is torn" });
    expect(ids).toEqual(["1"]);
  });

  it("hides what a handler threw unexpectedly, and reports it", async () => {
    const bug = new TypeError("secret detail");
    await using h = await start(transport, {
      appCreate: () => {
        throw bug;
      },
    });
    const error = await failure(h.client.appCreate({}));
    expect(error.code).toBe("internal");
    expect(error.message).not.toContain("secret");
    expect(h.errors).toEqual([bug]);
  });

  it("answers UNIMPLEMENTED by name for a method without handler and for an unknown service", async () => {
    await using h = await start(transport, {});
    expect(await failure(h.client.appStop({}))).toMatchObject({
      code: "unimplemented",
      message: expect.stringContaining("/modal.client.ModalClient/AppStop"),
    });
    expect(await failure(h.connection.service(Lydian).serverInfo({}))).toMatchObject({
      code: "unimplemented",
      message: expect.stringContaining("/lydian.v1.Lydian/ServerInfo"),
    });
  });

  it("refuses a caller before reading the request", async () => {
    await using h = await start(
      transport,
      { mountPutFile: () => ({}) },
      {
        server: {
          authenticate: async (headers) => {
            if (headers["x-modal-token-id"] !== "ak-1") throw new LydianError("unauthenticated", "token ak-0 is unknown");
            return { name: "known" };
          },
        },
      },
    );
    const data = { case: "data" as const, value: new Uint8Array(8 * MIB) };
    expect(await failure(h.client.mountPutFile({ dataOneof: data }))).toMatchObject({
      code: "unauthenticated",
      message: "token ak-0 is unknown",
    });
    await h.client.mountPutFile({ dataOneof: data }, { headers: { "x-modal-token-id": "ak-1" } });
  });

  it("shows the handler its headers, method and peer", async () => {
    let seen: Context | undefined;
    await using h = await start(
      transport,
      {
        appCreate: (_request, context) => {
          seen = context;
          return {};
        },
      },
      { label: "ta-1", connect: { headers: { "x-common": "1" } } },
    );
    await h.client.appCreate({}, { headers: { "x-own": "2" } });
    expect(seen?.headers).toMatchObject({ "x-common": "1", "x-own": "2", "x-idempotency-key": expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(seen?.method).toBe("/modal.client.ModalClient/AppCreate");
    expect(seen?.peer).toEqual(
      transport === "tcp" ? { transport, label: "ta-1", remoteAddress: "127.0.0.1" } : { transport, label: "ta-1" },
    );
  });

  it("ends the work behind a deadline on both sides", async () => {
    const reason = new Gate();
    let code: string | undefined;
    await using h = await start(transport, {
      functionGetOutputs: async (_request, { signal }) => {
        code = ((await fired(signal)) as LydianError).code;
        reason.open();
        throw signal.reason;
      },
    });
    expect(await failure(h.client.functionGetOutputs({}, { timeoutMs: 20 }))).toMatchObject({ code: "deadline_exceeded" });
    await reason.opened;
    // Whichever clock was faster: the server's own, or the client's reset.
    expect(["deadline_exceeded", "cancelled"]).toContain(code);
    expect(h.errors).toEqual([]);
  });

  it("ends the work behind a call that its caller aborts", async () => {
    const begun = new Gate();
    let code: Promise<string> | undefined;
    await using h = await start(transport, {
      functionGetOutputs: async (_request, { signal }) => {
        code = fired(signal).then((reason) => (reason as LydianError).code);
        begun.open();
        await fired(signal);
        throw signal.reason;
      },
    });
    const controller = new AbortController();
    const call = failure(h.client.functionGetOutputs({}, { signal: controller.signal }));
    await begun.opened;
    controller.abort(new Error("enough"));
    expect(await call).toMatchObject({ code: "cancelled", cause: new Error("enough") });
    expect(await code).toBe("cancelled");
  });

  it("makes no call for a signal that is already aborted", async () => {
    await using h = await start(transport, {
      appCreate: () => {
        throw new Error("must not be called");
      },
    });
    expect(await failure(h.client.appCreate({}, { signal: AbortSignal.abort() }))).toMatchObject({ code: "cancelled" });
    expect(h.errors).toEqual([]);
  });

  it("ends a generator when the reader leaves its loop", async () => {
    const ended = new Gate();
    await using h = await start(transport, {
      async *appGetLogs() {
        try {
          for (;;) {
            yield { entryId: "x" };
            await new Promise((resolve) => setImmediate(resolve));
          }
        } finally {
          ended.open();
        }
      },
    });
    for await (const _ of h.client.appGetLogs({})) break;
    await ended.opened;
  });

  it("ends a waiting stream when its client is gone", async () => {
    const begun = new Gate();
    const ended = new Gate();
    await using h = await start(transport, {
      async *appGetLogs(_request, { signal }) {
        begun.open();
        await fired(signal);
        ended.open();
        yield {};
      },
    });
    const reading = failure(h.client.appGetLogs({})[Symbol.asyncIterator]().next());
    await begun.opened;
    await h.connection.close();
    await ended.opened;
    expect(await reading).toMatchObject({ code: "cancelled" });
  });

  it("makes a fast producer wait for a slow reader", async () => {
    let produced = 0;
    await using h = await start(transport, {
      async *functionCallGetDataOut() {
        for (; produced < 200; produced++) yield { dataOneof: { case: "data", value: new Uint8Array(MIB) } };
      },
    });
    const stream = h.client.functionCallGetDataOut({})[Symbol.asyncIterator]();
    await stream.next();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(produced).toBeLessThan(100);
    let count = 1;
    while (!(await stream.next()).done) count++;
    expect(count).toBe(200);
  });

  it("moves 100 MiB both ways", async () => {
    const data = Buffer.alloc(100 * MIB, "lydian");
    await using h = await start(transport, {
      functionPutOutputs: () => ({}),
      functionGetOutputs: () => ({ outputs: [{ result: { dataOneof: { case: "data", value: data } } }] }),
      mountPutFile: ({ dataOneof }) => ({ exists: dataOneof.case === "data" && data.equals(dataOneof.value) }),
    });
    expect((await h.client.mountPutFile({ dataOneof: { case: "data", value: data } })).exists).toBe(true);
    const { outputs } = await h.client.functionGetOutputs({});
    expect(data.equals(outputs[0]?.result?.dataOneof.value as Uint8Array)).toBe(true);
  }, 30_000);

  it("answers 64 calls of 4 MiB at once", async () => {
    const data = Buffer.alloc(4 * MIB, 7);
    await using h = await start(transport, {
      functionGetOutputs: () => ({ outputs: [{ result: { dataOneof: { case: "data", value: data } } }] }),
    });
    const answers = await Promise.all(Array.from({ length: 64 }, () => h.client.functionGetOutputs({}, { retry: false })));
    expect(answers.every(({ outputs }) => outputs[0]?.result?.dataOneof.value?.length === data.length)).toBe(true);
  }, 30_000);

  it("refuses messages over the limit and names both sizes", async () => {
    const data = { case: "data" as const, value: new Uint8Array(3 * MIB) };
    await using h = await start(
      transport,
      { mountPutFile: () => ({}), functionGetOutputs: () => ({ outputs: [{ result: { dataOneof: data } }] }) },
      { server: { maxMessageBytes: 2 * MIB } },
    );
    for (const call of [() => h.client.mountPutFile({ dataOneof: data }), () => h.client.functionGetOutputs({})]) {
      const error = await failure(call());
      expect(error.code).toBe("resource_exhausted");
      expect(error.message).toMatch(/3145\d{3} bytes.*2097152/);
    }
  });

  it("serves HTTP/1.1 on the same address", async () => {
    await using h = await start(
      transport,
      { appHeartbeat: () => ({}) },
      {
        label: "ta-2",
        server: {
          http: (request, response, peer) => {
            response.setHeader("x-label", peer.label ?? "");
            request.pipe(response);
          },
        },
      },
    );
    await h.client.appHeartbeat({});
    const body = (async function* () {
      yield Buffer.from("streamed ");
      yield Buffer.from("text");
    })();
    const response = await h.connection.http("/blobs/1?x=2", { body });
    expect(response.status).toBe(200);
    expect(response.headers["x-label"]).toBe("ta-2");
    expect(Buffer.concat(await response.body.toArray()).toString()).toBe("streamed text");
    const small = await h.connection.http("http://elsewhere/blobs/1", { body: "PRImary" });
    expect(Buffer.concat(await small.body.toArray()).toString()).toBe("PRImary");
  });

  it("survives connections that speak garbage", async () => {
    await using h = await start(transport, { appHeartbeat: () => ({}) });
    const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (const bytes of ["", "P", "PRI", "PR\u0000\u0000", `${preface}${"\u00ff".repeat(64)}`, "GET /\r\n\r\n", "\u0016\u0003\u0001"]) {
      const socket = openSocket(parseEndpoint(h.listener.address));
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.on("error", () => {});
      socket.resume();
      socket.end(bytes, "latin1");
      await closed;
    }
    await h.client.appHeartbeat({});
    expect(h.errors).toEqual([]);
  });
});
