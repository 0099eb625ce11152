import { DataFormat, encodePayload, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { FunctionTimeoutError, InvalidError, NotFoundError, TimeoutError } from "./errors.ts";
import { FunctionCall } from "./function-call.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "./test-server.ts";

const ID = `fc-${"a".repeat(22)}`;

let server: TestServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

const serve = async (modal: TestServerOptions["modal"] = {}) => {
  server = await startTestServer({ modal });
};
const output = (value: unknown) => ({
  outputs: [
    {
      idx: 0,
      dataFormat: DataFormat.CBOR_TS,
      result: { status: Status.SUCCESS, dataOneof: { case: "data" as const, value: encodePayload(value) } },
    },
  ],
});

describe("FunctionCall.fromId", () => {
  it("takes an id and asks nothing", () => {
    expect(FunctionCall.fromId(ID).id).toBe(ID);
  });

  it.each(["", "fc-", "fu-aaaaaaaaaaaaaaaaaaaaaa", `${ID}a`, `fc-${"-".repeat(22)}`, `${ID}\n`])("refuses %j", (id) => {
    expect(() => FunctionCall.fromId(id)).toThrow(InvalidError);
    expect(() => FunctionCall.fromId(id)).toThrow(`${JSON.stringify(id)} is not an id of a call`);
  });
});

describe("FunctionCall.get", () => {
  it("asks again until the result is there", async () => {
    let asked = 0;
    await serve({ functionGetOutputs: () => (++asked < 3 ? { numUnfinishedInputs: 1 } : output("done")) });
    expect(await FunctionCall.fromId(ID).get()).toBe("done");
    expect(asked).toBe(3);
  });

  it("ends a wait with its timeout, and leaves the call alone", async () => {
    const holds: number[] = [];
    let cancelled = 0;
    await serve({
      functionGetOutputs({ timeout }) {
        holds.push(timeout);
        return { numUnfinishedInputs: 1 };
      },
      functionCallCancel() {
        cancelled++;
        return {};
      },
    });
    const call = FunctionCall.fromId(ID);
    await expect(call.get({ timeout: 0 })).rejects.toThrow(TimeoutError);
    await expect(call.get({ timeout: 0 })).rejects.toThrow(`The call ${ID} has no result after 0 ms.`);
    expect(holds).toEqual([0, 0]);
    expect(cancelled).toBe(0);
  });

  it("gives a result that is there even with no time to wait", async () => {
    await serve({ functionGetOutputs: () => output(5) });
    expect(await FunctionCall.fromId(ID).get({ timeout: "0s" })).toBe(5);
  });

  it("tells a timeout of the function from one of the wait", async () => {
    await serve({
      functionGetOutputs: () => ({ outputs: [{ idx: 0, result: { status: Status.TIMEOUT, exception: "longer than 5 s" } }] }),
    });
    await expect(FunctionCall.fromId(ID).get()).rejects.toThrow(FunctionTimeoutError);
  });

  it("says when there is no such result", async () => {
    await serve({ functionGetOutputs: () => ({ numUnfinishedInputs: 0 }) });
    await expect(FunctionCall.fromId(ID).get()).rejects.toThrow(NotFoundError);
  });

  it("throws the reason of an aborted signal", async () => {
    await serve({ functionGetOutputs: (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve({}))) });
    const controller = new AbortController();
    const result = FunctionCall.fromId(ID).get({ signal: controller.signal });
    controller.abort(new RangeError("enough"));
    await expect(result).rejects.toThrow("enough");
  });

  it("refuses a timeout that is none", async () => {
    await expect(FunctionCall.fromId(ID).get({ timeout: "soon" as "1s" })).rejects.toThrow('`timeout` is "soon"');
  });

  it("is gathered in order", async () => {
    await serve({ functionGetOutputs: ({ functionCallId }) => output(functionCallId.at(-1)) });
    const calls = ["x", "y"].map((last) => FunctionCall.fromId<string>(`fc-${"a".repeat(21)}${last}`));
    expect(await FunctionCall.gather(...calls)).toEqual(["x", "y"]);
  });
});

describe("FunctionCall", () => {
  it("cancels, with or without the containers", async () => {
    const requests: unknown[] = [];
    await serve({
      functionCallCancel({ functionCallId, terminateContainers }) {
        requests.push([functionCallId, terminateContainers]);
        return {};
      },
    });
    await FunctionCall.fromId(ID).cancel();
    await FunctionCall.fromId(ID).cancel({ terminateContainers: true });
    expect(requests).toEqual([
      [ID, false],
      [ID, true],
    ]);
  });

  it.each([
    ["pending", { pendingInputs: { total: 1 }, failedInputs: { total: 1 } }],
    ["timeout", { timeoutInputs: { total: 1 } }],
    ["terminated", { cancelledInputs: { total: 1 } }],
    ["failure", { failedInputs: { total: 1 } }],
    ["success", { succeededInputs: { total: 2 } }],
  ] as const)("is %s by the counts of its inputs", async (status, info) => {
    await serve({ functionCallGetInfo: () => ({ info }), functionCallFromId: () => ({ numInputs: 2 }) });
    expect(await FunctionCall.fromId(ID).status()).toBe(status);
    expect(await FunctionCall.fromId(ID).numInputs()).toBe(2);
  });

  it("has no `then`: awaiting it gives the call", async () => {
    const call = FunctionCall.fromId(ID);
    expect(await call).toBe(call);
  });
});
