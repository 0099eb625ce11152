// What calls see when a server ends, politely or not, and comes back.
import { existsSync, statSync } from "node:fs";
import { createServer as createNetServer } from "node:net";
import { describe, expect, it } from "vitest";
import type { LydianError } from "../errors.ts";
import { ModalClient } from "../generated/modal/client/service_pb.js";
import { connect } from "./client.ts";
import { anAddress, aPath, failure, fired, Gate, start, TRANSPORTS } from "./test-service.ts";

describe.each(TRANSPORTS)("a server on %s that ends", (transport) => {
  it("lets long polls answer and calls in flight finish before it says goodbye", async () => {
    const begun = [new Gate(), new Gate()];
    const finish = new Gate();
    await using h = await start(transport, {
      functionGetOutputs: async (_request, { draining }) => {
        begun[0]?.open();
        await fired(draining);
        return { lastEntryId: "early" };
      },
      appCreate: async () => {
        begun[1]?.open();
        await finish.opened;
        return { appId: "ap-finished" };
      },
    });
    const poll = h.client.functionGetOutputs({}, { retry: false });
    const work = h.client.appCreate({}, { retry: false });
    await Promise.all(begun.map((gate) => gate.opened));
    const drained = h.server.drain(10_000);
    expect((await poll).lastEntryId).toBe("early");
    finish.open();
    expect((await work).appId).toBe("ap-finished");
    await drained;
    expect(await failure(h.client.appCreate({}, { retry: false }))).toMatchObject({ code: "unavailable" });
  });

  it("sends calls that arrive while it drains elsewhere", async () => {
    const begun = new Gate();
    const finish = new Gate();
    let served = 0;
    await using h = await start(transport, {
      appCreate: async () => {
        begun.open();
        await finish.opened;
        return {};
      },
      appHeartbeat: () => {
        served++;
        return {};
      },
    });
    const work = h.client.appCreate({});
    await begun.opened;
    const drained = h.server.drain(10_000);
    const late = failure(h.client.appHeartbeat({}, { retry: false }));
    finish.open();
    await Promise.all([work, drained]);
    expect(await late).toMatchObject({ code: "unavailable" });
    expect(served).toBe(0);
  });

  it("aborts what is still running after the grace period", async () => {
    const begun = new Gate();
    let reason: unknown;
    await using h = await start(transport, {
      appCreate: async (_request, { signal }) => {
        begun.open();
        reason = await fired(signal);
        throw reason;
      },
    });
    const work = failure(h.client.appCreate({}, { retry: false }));
    await begun.opened;
    await h.server.drain(1);
    expect((reason as LydianError).code).toBe("unavailable");
    expect(await work).toMatchObject({ code: "unavailable" });
  });

  it("cuts the connections of a listener that is closed, and only those", async () => {
    const begun = new Gate();
    await using h = await start(transport, {
      functionGetOutputs: async (_request, { signal }) => {
        begun.open();
        await fired(signal);
        return {};
      },
      appHeartbeat: () => ({}),
    });
    const other = await h.server.listen(anAddress(transport), "ta-other");
    await using connection = connect({ url: other.address });
    const poll = failure(connection.service(ModalClient).functionGetOutputs({}, { retry: false }));
    await begun.opened;
    await other.close();
    expect(await poll).toMatchObject({ code: "unavailable" });
    await h.client.appHeartbeat({});
  });

  it("is retried by unary calls until it is back, under one idempotency key", async () => {
    const begun = new Gate();
    const keys = new Set<string | undefined>();
    await using first = await start(transport, {
      appCreate: async (_request, { signal, headers }) => {
        keys.add(headers["x-idempotency-key"]);
        begun.open();
        await fired(signal);
        return {};
      },
    });
    const { address, port } = first.listener;
    const calls = Promise.all([1, 2, 3].map(() => first.client.appCreate({})));
    await begun.opened;
    const before = keys.size;
    await first.server.close();
    const at = port === undefined ? { path: address.slice("unix://".length) } : { port };
    await using _second = await start(
      transport,
      {
        appCreate: (_request, { headers }) => {
          keys.add(headers["x-idempotency-key"]);
          return { appId: headers["x-retry-attempt"] ?? "" };
        },
      },
      { at },
    );
    for (const { appId } of await calls) expect(Number(appId)).toBeGreaterThan(0);
    expect(before).toBeGreaterThan(0);
    expect(keys.size).toBe(3);
  });
});

describe.each(TRANSPORTS)("a server on %s that is cut off in the middle of a call", (transport) => {
  it("gets the call again, and a stream fails as unavailable", async () => {
    const begun = [new Gate(), new Gate()];
    let attempts = 0;
    await using h = await start(transport, {
      appCreate: async (_request, { signal }) => {
        if (++attempts > 1) return { appId: `ap-${attempts}` };
        begun[0]?.open();
        await fired(signal);
        return {};
      },
      async *appGetLogs(_request, { signal }) {
        yield { entryId: "1" };
        begun[1]?.open();
        await fired(signal);
      },
    });
    const call = h.client.appCreate({});
    const stream = h.client.appGetLogs({})[Symbol.asyncIterator]();
    await stream.next();
    const next = failure(stream.next());
    await Promise.all(begun.map((gate) => gate.opened));
    const { address, port } = h.listener;
    await h.listener.close();
    await h.server.listen(port === undefined ? { path: address.slice("unix://".length) } : { port });
    expect((await call).appId).toBe("ap-2");
    expect(await next).toMatchObject({ code: "unavailable", message: expect.stringContaining("was lost") });
  });
});

describe("an address where nothing listens", () => {
  it("fails a call after the bound, with the address and the reason", async () => {
    const path = aPath();
    await using connection = connect({ url: `unix://${path}`, retryForMs: 250 });
    const error = await failure(connection.service(ModalClient).appCreate({}));
    expect(error.code).toBe("unavailable");
    expect(error.message).toContain(path);
    expect(error.message).toMatch(/ENOENT.*tried \d times/);
    expect(error.hint).toBeDefined();
  });

  it("gives up at the deadline, and at once when its caller aborts", async () => {
    const path = aPath();
    await using connection = connect({ url: `unix://${path}` });
    const client = connection.service(ModalClient);
    expect(await failure(client.appCreate({}, { timeoutMs: 150 }))).toMatchObject({ code: "deadline_exceeded" });
    const controller = new AbortController();
    const call = failure(client.appCreate({}, { signal: controller.signal }));
    controller.abort();
    expect(await call).toMatchObject({ code: "cancelled" });
  });

  it("notices a peer that accepts and says nothing", async () => {
    const silent = createNetServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as { port: number };
    await using connection = connect({ url: `http://127.0.0.1:${port}`, keepAliveMs: 20 });
    expect(await failure(connection.service(ModalClient).appCreate({}, { retry: false }))).toMatchObject({ code: "unavailable" });
    silent.close();
  });
});

describe("a unix socket", () => {
  it("has the mode asked for, replaces a stale file and refuses a live one", async () => {
    const path = aPath();
    await using h = await start("unix", { appHeartbeat: () => ({}) }, { at: { path } });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await failure(start("unix", {}, { at: { path } }))).toMatchObject({ code: "failed_precondition", message: `${path} is in use` });
    await h.client.appHeartbeat({});
    await h.server.close();
    expect(existsSync(path)).toBe(false);
  });

  it("refuses a path that is too long", async () => {
    expect(await failure(start("unix", {}, { at: { path: `/tmp/${"x".repeat(120)}` } }))).toMatchObject({ code: "invalid_argument" });
  });
});

describe("a server URL", () => {
  it.each(["localhost:1", "https://x", "ftp://x", "unix:relative", "", "nonsense"])("is refused when it is %j", (url) => {
    expect(() => connect({ url })).toThrow(/expected http:\/\/host:port or unix/);
  });
});
