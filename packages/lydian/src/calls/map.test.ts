import { afterEach, describe, expect, it } from "vitest";
import type { AnyIterable, MapOptions } from "../function-types.ts";
import { startTestServer, type TestServer } from "../test-server.ts";
import { remoteMap } from "./map.ts";
import { all, deferred, TestMap, type TestMapOptions } from "./test-calls.ts";

let server: TestServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

async function serve(options: TestMapOptions = {}): Promise<TestMap> {
  const map = new TestMap(options);
  server = await startTestServer(map.services);
  return map;
}

const double: TestMapOptions["onInput"] = ({ idx, args }, map) => map.answer(idx, (args[0] as number) * 2);
const start = (source: AnyIterable<unknown[]>, options: MapOptions = {}, signal?: AbortSignal) =>
  remoteMap({ name: () => "work", signal }, source, options);
const collect = (source: AnyIterable<unknown[]>, options: MapOptions = {}) => all(start(source, options));

function* numbers(count: number): Generator<unknown[]> {
  for (let i = 0; i < count; i++) yield [i];
}

/** Counts what was taken, and tells when it is closed. */
function endless() {
  const closed = deferred();
  const source = {
    taken: 0,
    closed: closed.promise,
    async *[Symbol.asyncIterator](): AsyncGenerator<unknown[], void, undefined> {
      try {
        for (;;) yield [source.taken++];
      } finally {
        closed.resolve();
      }
    },
  };
  return source;
}

describe("remoteMap", () => {
  it("gives results in the order of the inputs, whatever the order of the outputs", async () => {
    const map = await serve();
    const results = collect(numbers(3));
    await map.until(() => map.inputs.length === 3);
    for (const idx of [2, 0, 1]) map.answer(idx, `result ${idx}`);
    expect(await results).toEqual(["result 0", "result 1", "result 2"]);
  });

  it("gives results as they come when order does not matter", async () => {
    const map = await serve();
    const results = collect(numbers(3), { ordered: false });
    await map.until(() => map.inputs.length === 3);
    for (const idx of [2, 0, 1]) map.answer(idx, `result ${idx}`);
    expect(await results).toEqual(["result 2", "result 0", "result 1"]);
  });

  it("gives a first result before the last input is there", async () => {
    const map = await serve({ onInput: double });
    const rest = deferred();
    const results = start(
      (async function* () {
        yield [1];
        await rest.promise;
        yield [2];
      })(),
    );
    expect(await results.next()).toEqual({ done: false, value: 2 });
    rest.resolve();
    expect(await results.next()).toEqual({ done: false, value: 4 });
    expect(await results.next()).toEqual({ done: true, value: undefined });
    expect(map.batches).toEqual([1, 1]);
  });

  it("sends no inputs of an empty source", async () => {
    const map = await serve();
    expect(await collect([])).toEqual([]);
    expect(map.batches).toEqual([]);
  });

  it("sends several arguments of each input, in batches", async () => {
    const map = await serve({ onInput: ({ idx, args }, it) => it.answer(idx, args) });
    const pairs = Array.from({ length: 1_201 }, (_, i) => [i, `x${i}`]);
    expect(await collect(pairs)).toEqual(pairs);
    expect(map.batches.length).toBeLessThan(10);
    expect(map.inputs.map(({ idx }) => idx)).toEqual(pairs.map((_, i) => i));
  });

  it("throws the first failure and cancels the rest", async () => {
    const map = await serve();
    const results = start(numbers(3));
    const first = results.next();
    await map.until(() => map.inputs.length === 3);
    map.answer(0, "fine");
    map.fail(1, new RangeError("no"));
    expect((await first).value).toBe("fine");
    await expect(results.next()).rejects.toThrow(RangeError);
    expect(await map.cancelled.promise).toBe("fc-map");
    expect((await results.next()).done).toBe(true);
  });

  it("gives failures as values when asked to", async () => {
    const map = await serve({ onInput: ({ idx }, it) => (idx === 1 ? it.fail(idx, new RangeError("no")) : it.answer(idx, idx)) });
    const [zero, one, two] = await collect(numbers(3), { returnExceptions: true });
    expect([zero, two]).toEqual([0, 2]);
    expect(one).toBeInstanceOf(RangeError);
    expect(map.made).toBe(1);
  });
});

describe("remoteMap with an endless source", () => {
  it("never has more inputs out than the server takes", async () => {
    const window = 7;
    let answered = 0;
    let most = 0;
    const map = await serve({
      window,
      onInput(input, it) {
        most = Math.max(most, input.idx + 1 - answered);
        double(input, it);
      },
    });
    const source = endless();
    for await (const _ of start(source)) {
      answered++;
      expect(source.taken).toBeLessThanOrEqual(answered + window + 1);
      if (answered === 100) break;
    }
    expect(most).toBeLessThanOrEqual(window);
    await source.closed;
    await map.cancelled.promise;
  });

  it("waits while nothing is answered, and goes on by one for each result that is taken", async () => {
    const map = await serve({ window: 3 });
    const source = endless();
    const results = start(source);
    const first = results.next();
    await map.until(() => map.inputs.length === 3);
    expect(source.taken).toBeLessThanOrEqual(4);
    map.answer(0, 0);
    await first;
    await map.until(() => map.inputs.length === 4);
    expect(source.taken).toBeLessThanOrEqual(5);
    await results.return();
    await source.closed;
  });

  it("takes no more inputs for a consumer that takes no results", async () => {
    const map = await serve({ window: 3, onInput: double });
    const source = endless();
    const results = start(source);
    expect((await results.next()).value).toBe(0);
    // Everything is answered; only what the consumer takes makes room.
    await map.until(() => map.inputs.length === 4);
    for (let i = 0; i < 20; i++) await server?.client.modal.functionCallCancel({ functionCallId: "probe" });
    expect(map.inputs.length).toBe(4);
    expect((await results.next()).value).toBe(2);
    await map.until(() => map.inputs.length === 5);
    await results.return();
  });

  it("cancels the call when the loop is left, and closes the source", async () => {
    const map = await serve({ window: 2, onInput: double });
    const source = endless();
    for await (const _ of start(source)) break;
    expect(await map.cancelled.promise).toBe("fc-map");
    await source.closed;
  });

  it("closes a source that is being waited for", async () => {
    const map = await serve({ onInput: double });
    const closed = deferred();
    let given = 0;
    const source: AsyncIterable<unknown[]> = {
      [Symbol.asyncIterator]: () => ({
        next: () => (given++ === 0 ? Promise.resolve({ done: false, value: [1] }) : new Promise(() => undefined)),
        async return() {
          closed.resolve();
          return { done: true, value: undefined };
        },
      }),
    };
    for await (const _ of start(source)) break;
    await closed.promise;
    await map.cancelled.promise;
  });

  it("is not disturbed by a source that fails to close", async () => {
    const map = await serve({ window: 1, onInput: double });
    const source = (function* (): Generator<unknown[]> {
      try {
        for (let i = 0; ; i++) yield [i];
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: what is tested.
        throw new Error("cannot close");
      }
    })();
    for await (const _ of start(source)) break;
    expect(await map.cancelled.promise).toBe("fc-map");
  });
});

describe("remoteMap that ends early", () => {
  it.each<[string, () => AnyIterable<unknown[]>]>([
    [
      "a source",
      () =>
        (function* () {
          yield [0];
          throw new RangeError("source is broken");
        })(),
    ],
    [
      "an async source",
      () =>
        (async function* () {
          yield [0];
          throw new RangeError("source is broken");
        })(),
    ],
  ])("throws what %s throws, and cancels", async (_, source) => {
    const map = await serve();
    await expect(collect(source())).rejects.toThrow("source is broken");
    await map.cancelled.promise;
  });

  it("throws the reason of an aborted signal, and cancels", async () => {
    const map = await serve({ window: 2 });
    const controller = new AbortController();
    const source = endless();
    const results = collect(source, { signal: controller.signal });
    await map.until(() => map.inputs.length === 2);
    controller.abort(new RangeError("enough"));
    await expect(results).rejects.toThrow("enough");
    await Promise.all([map.cancelled.promise, source.closed]);
  });

  it("heeds the signal of the handle too", async () => {
    const map = await serve();
    const controller = new AbortController();
    const results = all(start(numbers(2), { signal: new AbortController().signal }, controller.signal));
    await map.until(() => map.inputs.length === 2);
    controller.abort(new RangeError("enough"));
    await expect(results).rejects.toThrow("enough");
    await map.cancelled.promise;
  });

  it("makes no call with a signal that is aborted already", async () => {
    const map = await serve();
    await expect(collect(numbers(2), { signal: AbortSignal.abort(new RangeError("enough")) })).rejects.toThrow("enough");
    expect(map.made).toBe(0);
  });

  it("throws what the server refuses", async () => {
    await serve();
    await expect(all(remoteMap({ name: () => "other" }, numbers(1), {}))).rejects.toThrow(
      'The running app has no function "other"; it has: work.',
    );
  });
});
