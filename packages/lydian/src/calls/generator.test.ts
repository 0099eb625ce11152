import {
  create,
  DataFormat,
  encodePayload,
  errorToWire,
  GeneratorDoneSchema,
  LydianError,
  GenericResult_GenericStatus as Status,
  toBinary,
} from "@lydian/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { startTestServer, type TestServer } from "../test-server.ts";
import { remoteGenerator } from "./generator.ts";
import { all, deferred } from "./test-calls.ts";

let server: TestServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

type Outcome = { readonly items: number } | { readonly error: unknown };

interface Script {
  /** Streams one after the other: what each yields after `lastIndex`; one that throws breaks. The last one repeats. */
  readonly streams: readonly ((lastIndex: number, signal: AbortSignal) => AsyncGenerator<{ index: number; value: unknown }>)[];
  /** How the generator ends, and when. Default: it does not. */
  readonly outcome?: Promise<Outcome>;
}

async function serve({ streams, outcome }: Script) {
  const seen = { lastIndices: [] as number[], cancelled: deferred<string>(), cancels: 0 };
  server = await startTestServer({
    modal: {
      functionMap: () => ({ functionCallId: "fc-generator" }),
      async *functionCallGetDataOut({ lastIndex }, { signal }) {
        const stream = streams[Math.min(seen.lastIndices.length, streams.length - 1)];
        seen.lastIndices.push(Number(lastIndex));
        for await (const { index, value } of stream?.(Number(lastIndex), signal) ?? []) {
          yield {
            index: BigInt(index),
            dataFormat: DataFormat.CBOR_TS,
            dataOneof: { case: "data", value: encodePayload(value, { rich: true }) },
          };
        }
      },
      async functionGetOutputs(_, { signal }) {
        const ended = await Promise.race([outcome ?? aborted(signal), aborted(signal)]);
        if (!ended) return { outputs: [], lastEntryId: "0-0", numUnfinishedInputs: 1 };
        if ("error" in ended) {
          const value = encodePayload(errorToWire(ended.error), { rich: true });
          return {
            outputs: [{ idx: 0, dataFormat: DataFormat.CBOR_TS, result: { status: Status.FAILURE, dataOneof: { case: "data", value } } }],
          };
        }
        const value = toBinary(GeneratorDoneSchema, create(GeneratorDoneSchema, { itemsTotal: BigInt(ended.items) }));
        return {
          outputs: [
            { idx: 0, dataFormat: DataFormat.GENERATOR_DONE, result: { status: Status.SUCCESS, dataOneof: { case: "data", value } } },
          ],
        };
      },
      functionCallCancel({ functionCallId }) {
        seen.cancels++;
        seen.cancelled.resolve(functionCallId);
        return {};
      },
    },
  });
  return seen;
}

const aborted = (signal: AbortSignal) =>
  new Promise<undefined>((resolve) => signal.addEventListener("abort", () => resolve(undefined), { once: true }));
const start = (signal?: AbortSignal) => remoteGenerator({ name: () => "work", signal }, []);

/** Values from the place on, up to the total. */
async function* upTo(total: number, lastIndex: number) {
  for (let index = lastIndex + 1; index <= total; index++) yield { index, value: `v${index}` };
}

describe("remoteGenerator", () => {
  it("yields the values in order and ends with the generator", async () => {
    const seen = await serve({ streams: [(last) => upTo(3, last)], outcome: Promise.resolve({ items: 3 }) });
    expect(await all(start())).toEqual(["v1", "v2", "v3"]);
    expect(seen.cancels).toBe(0);
  });

  it("yields a value before the next one is there", async () => {
    const more = deferred();
    const outcome = deferred<Outcome>();
    await serve({
      streams: [
        async function* () {
          yield { index: 1, value: "first" };
          await more.promise;
          yield { index: 2, value: "second" };
          outcome.resolve({ items: 2 });
        },
      ],
      outcome: outcome.promise,
    });
    const values = start();
    expect((await values.next()).value).toBe("first");
    more.resolve();
    expect((await values.next()).value).toBe("second");
    expect(await values.next()).toEqual({ done: true, value: undefined });
  });

  it("ends without a value when there was none", async () => {
    await serve({ streams: [(last) => upTo(0, last)], outcome: Promise.resolve({ items: 0 }) });
    expect(await all(start())).toEqual([]);
  });

  it("goes on after the last value when a stream breaks or ends early, and passes over repeated values", async () => {
    const seen = await serve({
      streams: [
        async function* () {
          yield* upTo(2, 0);
          throw new LydianError("unavailable", "restarting");
        },
        (last) => upTo(3, last - 1),
        (last) => upTo(5, last),
      ],
      outcome: Promise.resolve({ items: 5 }),
    });
    expect(await all(start())).toEqual(["v1", "v2", "v3", "v4", "v5"]);
    expect(seen.lastIndices).toEqual([0, 2, 3]);
  });

  it("throws what the generator throws, after all values that came before", async () => {
    const seen = await serve({ streams: [(last) => upTo(3, last)], outcome: Promise.resolve({ error: new RangeError("broken") }) });
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const value of start()) got.push(value);
    })();
    await expect(reading).rejects.toThrow(RangeError);
    expect(got).toEqual(["v1", "v2", "v3"]);
    expect(seen.cancels).toBeLessThanOrEqual(1);
  });

  it("does not ask for ever for values that the server has lost", async () => {
    await serve({ streams: [(last) => upTo(2, last)], outcome: Promise.resolve({ items: 3 }) });
    await expect(all(start())).rejects.toMatchObject({ code: "data_loss" });
  });

  it("gives up on a stream that the server refuses", async () => {
    await serve({
      streams: [
        // biome-ignore lint/correctness/useYield: it refuses before any value.
        async function* () {
          throw new LydianError("permission_denied", "not yours");
        },
      ],
    });
    await expect(all(start())).rejects.toMatchObject({ code: "permission_denied", message: "not yours" });
  });

  it("cancels the call when the loop is left", async () => {
    const ended = deferred();
    const seen = await serve({
      streams: [
        async function* (last, signal) {
          yield* upTo(2, last);
          await aborted(signal);
          ended.resolve();
        },
      ],
    });
    for await (const value of start()) {
      expect(value).toBe("v1");
      break;
    }
    expect(await seen.cancelled.promise).toBe("fc-generator");
    await ended.promise;
  });

  it("throws the reason of an aborted signal, and cancels", async () => {
    const controller = new AbortController();
    const seen = await serve({
      streams: [
        async function* (last, signal) {
          yield* upTo(1, last);
          await aborted(signal);
        },
      ],
    });
    const values = start(controller.signal);
    await values.next();
    const next = values.next();
    controller.abort(new RangeError("enough"));
    await expect(next).rejects.toThrow("enough");
    await seen.cancelled.promise;
  });

  it("says when a function did not answer as a generator", async () => {
    server = await startTestServer({
      modal: {
        functionMap: () => ({ functionCallId: "fc-generator" }),
        async *functionCallGetDataOut() {},
        functionGetOutputs: () => ({ outputs: [{ idx: 0, dataFormat: DataFormat.CBOR_TS, result: { status: Status.SUCCESS } }] }),
        functionCallCancel: () => ({}),
      },
    });
    await expect(all(start())).rejects.toThrow("did not answer as a generator does");
  });
});
