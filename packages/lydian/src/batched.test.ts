import { describe, expect, it } from "vitest";
import { App } from "./app.ts";
import { InvalidError } from "./errors.ts";
import { resolveOptions } from "./options.ts";

const options = { batched: { maxBatchSize: 4, wait: "50ms" } } as const;

describe("batched", () => {
  it("is a size and a wait in whole milliseconds", () => {
    expect(resolveOptions(options).batch).toEqual({ maxSize: 4, waitMs: 50 });
    expect(resolveOptions({}).batch).toBeUndefined();
  });

  it.each<[unknown, string]>([
    [5, "`batched` is 5; it must be { maxBatchSize: …, wait: … }"],
    [{ maxBatchSize: 4, wait: 0, size: 1 }, "and nothing more"],
    [{ maxBatchSize: 0, wait: 0 }, "`batched.maxBatchSize` is 0; it must be a whole number from 1 to 1000."],
    [{ maxBatchSize: 4 }, "`batched.wait`"],
    [{ maxBatchSize: 4, wait: "11m" }, '`batched.wait` is "11m"; it must be at most 10 minutes.'],
  ])("refuses %j", (batched, text) => {
    expect(() => resolveOptions({ batched: batched as never })).toThrow(text);
    expect(() => resolveOptions({ batched: batched as never })).toThrow(InvalidError);
  });

  it("cannot be of containers for one input", () => {
    expect(() => resolveOptions({ ...options, singleUseContainers: true })).toThrow("exclude each other");
  });

  it("cannot be of a generator", () => {
    const generator = async function* () {
      yield 1;
    };
    expect(() => new App("a").function(options as never, generator)).toThrow("cannot be `batched`");
  });
});

describe("a batched handler in this process", () => {
  it("takes and returns lists", async () => {
    const add = new App("a").function(options, async (xs: number[], ys: number[]) => xs.map((x, i) => x + (ys[i] ?? 0)));
    expect(await add.local([1, 2], [3, 4])).toEqual([4, 6]);
    expect(() => add.local([1, 2], [3])).toThrow("all of one length");
    const double = new App("b").function(options, (xs: number[]) => xs.map((x) => 2 * x));
    expect(double.local([1])).toEqual([2]);
  });

  it("is held to one result for each input", async () => {
    const one = new App("a").function(options, (_: number[]) => [1]);
    expect(() => one.local([1, 2])).toThrow("The batched handler was given 2 inputs and returned an array of 1");
    const none = new App("b").function(options as never, async () => undefined);
    await expect((none.local as (xs: number[]) => unknown)([1, 2])).rejects.toThrow("returned undefined");
  });
});
