import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BulkMapRequest,
  decodePayload,
  type FunctionInput,
  FunctionCallInvocationType as Invocation,
  inputsOf,
  LydianError,
  packCallIds,
  FunctionCallType as Type,
} from "@lydian/protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { setSession } from "../session.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "../test-server.ts";
import { makeCall } from "./batcher.ts";
import { encodeInline } from "./payload.ts";

let server: TestServer | undefined;
afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

const start = async (options: TestServerOptions) => {
  server = await startTestServer(options);
};
/** Of one function, or of one given after a slash. */
const call = (text: string) => {
  const [arg = "", functionId = "fu-1"] = text.split("/");
  return makeCall({ functionId, type: Type.UNARY, invocation: Invocation.SYNC, input: encodeInline([arg]).input });
};
/** Ids of calls have one length. */
const idOf = (text: string) => `fc-${text.padEnd(22, "0")}`;
/** What the server answers to calls in one message, each by what `make` makes of it. */
const answer = (inputs: BulkMapRequest["inputs"], make = (input: FunctionInput) => idOf(argOf(input))) => ({
  calls: packCallIds(inputsOf(inputs).map(make)),
});
const argOf = (input: FunctionInput | undefined) => {
  const args = input?.argsOneof.case === "args" ? input.argsOneof.value : new Uint8Array();
  return String(((decodePayload(args) as unknown[])[0] as unknown[])[0]);
};

describe("makeCall", () => {
  it("sends one call as FunctionMap", async () => {
    await start({
      modal: { functionMap: ({ functionId, pipelinedInputs }) => ({ functionCallId: `${functionId}-${pipelinedInputs.length}` }) },
    });
    expect((await call("a")).functionCallId).toBe("fu-1-1");
  });

  it("waits for the output of a call that travels alone, and of no other", async () => {
    const waits: number[] = [];
    await start({
      modal: {
        functionMap({ lydianWait }) {
          waits.push(lydianWait);
          return { functionCallId: "fc-a", lydianOutputs: lydianWait > 0 ? [{ idx: 0, taskId: "ta-1" }] : [] };
        },
      },
      bulk: {
        functionMap: ({ inputs }) => answer(inputs),
      },
    });
    const { input } = encodeInline([1]);
    const waiting = () => makeCall({ functionId: "a", type: Type.UNARY, invocation: Invocation.SYNC, input, waitSeconds: 7 });
    expect((await waiting()).lydianOutputs).toMatchObject([{ taskId: "ta-1" }]);
    expect((await call("a")).lydianOutputs).toEqual([]);
    const together = await Promise.all([waiting(), waiting()]);
    expect(together.map(({ lydianOutputs }) => lydianOutputs)).toEqual([[], []]);
    expect(waits).toEqual([7, 0]);
  });

  it("sends the calls of one turn as one message, and gives each its own answer", async () => {
    const sizes: number[] = [];
    await start({
      bulk: {
        functionMap({ inputs }) {
          sizes.push(inputsOf(inputs).length);
          return answer(inputs);
        },
      },
    });
    const ids = (await Promise.all(["a", "b", "c"].map(call))).map(({ functionCallId }) => functionCallId);
    expect(ids).toEqual(["a", "b", "c"].map(idOf));
    expect(sizes).toEqual([3]);
  });

  it("sends calls of different functions in messages of their own, also when they alternate", async () => {
    const messages: unknown[] = [];
    await start({
      modal: { functionMap: ({ functionId, pipelinedInputs: [one] }) => ({ functionCallId: idOf(`${functionId}-${argOf(one?.input)}`) }) },
      bulk: {
        functionMap({ functionId, inputs }) {
          messages.push([functionId, inputsOf(inputs).length]);
          return answer(inputs, (input) => idOf(`${functionId}-${argOf(input)}`));
        },
      },
    });
    const made = await Promise.all(["a/fu-1", "b/fu-2", "c/fu-1", "d/fu-3", "e/fu-2"].map(call));
    expect(made.map(({ functionCallId }) => functionCallId)).toEqual(["fu-1-a", "fu-2-b", "fu-1-c", "fu-3-d", "fu-2-e"].map(idOf));
    expect(messages.sort()).toEqual([
      ["fu-1", 2],
      ["fu-2", 2],
    ]);
  });

  it("sends a call that is not like the others in a message of its own", async () => {
    const sizes: number[] = [];
    await start({
      modal: { functionMap: ({ pipelinedInputs: [one] }) => ({ functionCallId: idOf(one?.input?.methodName ?? "") }) },
      bulk: {
        functionMap({ inputs }) {
          sizes.push(inputsOf(inputs).length);
          return answer(inputs);
        },
      },
    });
    const { input } = encodeInline(["x"], { method: "other" });
    const other = makeCall({ functionId: "fu-1", type: Type.UNARY, invocation: Invocation.SYNC, input });
    const made = await Promise.all([call("a"), other, call("b")]);
    expect(made.map(({ functionCallId }) => functionCallId)).toEqual(["a", "other", "b"].map(idOf));
    expect(sizes).toEqual([2]);
  });

  it("keeps calls of different turns apart", async () => {
    let single = 0;
    await start({
      modal: {
        functionMap() {
          single++;
          return {};
        },
      },
    });
    await call("a");
    await call("b");
    expect(single).toBe(2);
  });

  it("splits more calls than one message may have", async () => {
    const sizes: number[] = [];
    await start({
      bulk: {
        functionMap({ inputs }) {
          sizes.push(inputsOf(inputs).length);
          return answer(inputs);
        },
      },
    });
    const made = await Promise.all(Array.from({ length: 1_500 }, (_, i) => call(String(i))));
    expect(made.map(({ functionCallId }) => functionCallId)).toEqual(Array.from({ length: 1_500 }, (_, i) => idOf(String(i))));
    expect(sizes.sort()).toEqual([1_000, 500]);
  });

  it("tells a failure to all calls of the message", async () => {
    const refuse = () => {
      throw new LydianError("failed_precondition", "the app has stopped");
    };
    await start({ modal: { functionMap: refuse }, bulk: { functionMap: refuse } });
    const outcomes = await Promise.allSettled(["a", "b", "c"].map(call));
    expect(outcomes).toHaveLength(3);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "failed_precondition", message: "the app has stopped" } });
  });

  it("lets the others of a refused message pass", async () => {
    const make = (input: FunctionInput | undefined) => {
      if (argOf(input) === "bad") throw new LydianError("invalid_argument", "it is too large");
      return idOf(argOf(input));
    };
    await start({
      modal: { functionMap: ({ pipelinedInputs: [one] }) => ({ functionCallId: make(one?.input) }) },
      bulk: { functionMap: ({ inputs }) => answer(inputs, make) },
    });
    const [a, bad, b] = await Promise.allSettled(["a", "bad", "b"].map(call));
    expect([a, b]).toMatchObject(["a", "b"].map((text) => ({ value: { functionCallId: idOf(text) } })));
    expect(bad).toMatchObject({ status: "rejected", reason: { code: "invalid_argument" } });
  });

  it("rejects the calls that the server did not answer", async () => {
    await start({ bulk: { functionMap: () => ({ calls: packCallIds([idOf("a")]) }) } });
    const [first, second] = await Promise.allSettled([call("a"), call("b")]);
    expect(first).toMatchObject({ status: "fulfilled", value: { functionCallId: idOf("a") } });
    expect(second).toMatchObject({ status: "rejected", reason: { code: "internal" } });
  });

  it("rejects all calls when no server is known", async () => {
    setSession(undefined);
    for (const name of ["LYDIAN_SERVER_URL", "MODAL_SERVER_URL"]) vi.stubEnv(name, undefined);
    vi.stubEnv("LYDIAN_HOME", join(tmpdir(), "no-such-home"));
    const outcomes = await Promise.allSettled([call("a"), call("b")]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: { message: "No server is known." } });
  });
});
