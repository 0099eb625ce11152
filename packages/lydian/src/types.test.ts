import { describe, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { App, Cron, type Duration, FunctionCall, type FunctionOptions, type Image, type MapCall, Period, type Size } from "./index.ts";

// Checked by the compiler; the callbacks that would make calls are never run.
const app = new App("types");
const square = app.function(async (x: number) => x * x);
const join = app.function((a: string, b: number) => `${a}${b}`);
const first = app.function(async <T>(list: readonly T[]): Promise<T | undefined> => list[0]);
const count = app.function(async function* (to: number) {
  for (let i = 0; i < to; i++) yield i;
});
const letters = app.function(function* (text: string) {
  yield* text;
});
const parse = app.function({ input: z.object({ at: z.coerce.date(), tag: z.string().default("none") }) }, async ({ at, tag }) => {
  expectTypeOf(at).toEqualTypeOf<Date>();
  expectTypeOf(tag).toEqualTypeOf<string>();
  return tag;
});
const neverRun = (_: () => unknown) => undefined;

describe("remote", () => {
  it("has the handler's signature", () => {
    expectTypeOf(square.remote).toEqualTypeOf<(x: number) => Promise<number>>();
    expectTypeOf(square.local).toEqualTypeOf<(x: number) => Promise<number>>();
    // @ts-expect-error A string is no number.
    neverRun(() => square.remote("3"));
    // @ts-expect-error An argument is missing.
    neverRun(() => join.remote("a"));
  });

  it("makes a promise of what a synchronous handler returns", () => {
    expectTypeOf(join.remote).toEqualTypeOf<(a: string, b: number) => Promise<string>>();
    expectTypeOf(join.local).returns.toEqualTypeOf<string>();
  });

  it("keeps the generics of an async handler", () => {
    neverRun(() => {
      expectTypeOf(first.remote([1, 2])).toEqualTypeOf<Promise<number | undefined>>();
      expectTypeOf(first.remote(["a"])).toEqualTypeOf<Promise<string | undefined>>();
    });
  });

  it("refuses to use or to pass a parameter that has no type", () => {
    const untyped = app.function(async (x) => String(x));
    // @ts-expect-error Its handle cannot be called.
    neverRun(() => untyped.remote(3));
    // @ts-expect-error It has no properties.
    neverRun(() => app.function(async (x) => x.length));
  });
});

describe("spawn", () => {
  it("resolves to a call with the result's type", () => {
    expectTypeOf(square.spawn).returns.resolves.toEqualTypeOf<FunctionCall<number>>();
    neverRun(async () => {
      const calls = [await square.spawn(1), await join.spawn("a", 1)] as const;
      expectTypeOf(FunctionCall.gather(...calls)).resolves.toEqualTypeOf<[number, string]>();
    });
  });
});

describe("generators", () => {
  it("have remoteGen with the type of the values, and none of what awaits one result", () => {
    expectTypeOf(count.remoteGen).toEqualTypeOf<(to: number) => AsyncGenerator<number, void, undefined>>();
    expectTypeOf(letters.remoteGen).toEqualTypeOf<(text: string) => AsyncGenerator<string, void, undefined>>();
    expectTypeOf(count).not.toHaveProperty("remote");
    expectTypeOf(count).not.toHaveProperty("map");
    expectTypeOf(square).not.toHaveProperty("remoteGen");
  });
});

describe("map", () => {
  it("takes one source per parameter, of any kind", () => {
    neverRun(() => {
      expectTypeOf(square.map([1, 2])).toEqualTypeOf<MapCall<number>>();
      expectTypeOf(square.map(new Set([1]))).toEqualTypeOf<MapCall<number>>();
      expectTypeOf(square.map(count.remoteGen(3))).toEqualTypeOf<MapCall<number>>();
      expectTypeOf(join.map(["a"], [1])).toEqualTypeOf<MapCall<string>>();
      expectTypeOf(join.map(["a"], [1], { ordered: false })).toEqualTypeOf<MapCall<string>>();
      expectTypeOf(join.starMap([["a", 1]])).toEqualTypeOf<MapCall<string>>();
      expectTypeOf(join.forEach(["a"], [1], { ignoreExceptions: true })).toEqualTypeOf<Promise<void>>();
    });
    // @ts-expect-error The second source is missing.
    neverRun(() => join.map(["a"]));
    // @ts-expect-error Elements of the wrong type.
    neverRun(() => square.map(["a"]));
    // @ts-expect-error No such option.
    neverRun(() => square.map([1], { order: false }));
  });

  it("may have errors among its results only when it was asked to", () => {
    neverRun(async () => {
      expectTypeOf(await square.map([1], { returnExceptions: true })).toEqualTypeOf<(number | Error)[]>();
      expectTypeOf(await square.map([1], { returnExceptions: false })).toEqualTypeOf<number[]>();
      expectTypeOf(await square.map([1])).toEqualTypeOf<number[]>();
      for await (const result of square.map([1], { returnExceptions: true })) expectTypeOf(result).toEqualTypeOf<number | Error>();
    });
  });
});

describe("a schema for the argument", () => {
  it("types the handler by what it gives and the caller by what it takes", () => {
    expectTypeOf(parse.remote).parameter(0).toEqualTypeOf<{ at: unknown; tag?: string | undefined }>();
    expectTypeOf(parse.remote).returns.resolves.toEqualTypeOf<string>();
    // @ts-expect-error The tag is a string.
    neverRun(() => parse.remote({ at: 0, tag: 5 }));
  });

  it("types the flags of an entrypoint", () => {
    app.localEntrypoint({ name: "flags", args: z.object({ count: z.coerce.number() }) }, (args) => {
      expectTypeOf(args).toEqualTypeOf<{ count: number }>();
    });
    app.localEntrypoint({ name: "words" }, (words) => {
      expectTypeOf(words).toEqualTypeOf<readonly string[]>();
    });
  });
});

describe("a schedule", () => {
  it("takes a handler that can be called without arguments", () => {
    const tick = app.function({ schedule: new Period({ hours: 1 }) }, async (dry = false) => dry);
    expectTypeOf(tick.remote).toEqualTypeOf<(dry?: boolean) => Promise<boolean>>();
    // @ts-expect-error Its parameter is required.
    neverRun(() => app.function({ schedule: new Cron("* * * * *") }, async (x: number) => x));
  });
});

describe("options", () => {
  it("have units in their strings", () => {
    expectTypeOf<"1.5h">().toExtend<Duration>();
    expectTypeOf<"5 minutes">().not.toExtend<Duration>();
    expectTypeOf<"2Gi">().toExtend<Size>();
    expectTypeOf<"2GB">().not.toExtend<Size>();
    expectTypeOf<FunctionOptions["image"]>().toEqualTypeOf<Image | undefined>();
  });

  it("are those that are served", () => {
    // @ts-expect-error Not served yet.
    neverRun(() => app.function({ gpu: "H100" }, async () => 1));
  });

  it("stay with the handle they were given to", () => {
    expectTypeOf(square.callWith({ timeout: "5s" })).toEqualTypeOf<typeof square>();
    expectTypeOf(count.callWith({})).toEqualTypeOf<typeof count>();
  });
});
