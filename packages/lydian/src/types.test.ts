import { describe, expectTypeOf, it } from "vitest";
import { z } from "zod";
import {
  App,
  type Batch,
  Cls,
  Cron,
  Function as Deployed,
  type Duration,
  FunctionCall,
  type FunctionOptions,
  type Image,
  type Kw,
  kw,
  type MapCall,
  Period,
  parameter,
  parameters,
  type Size,
} from "./index.ts";

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

describe("batching", () => {
  it("is typed by item for callers, and by list for the handler", () => {
    const add = app.function({ batched: { maxBatchSize: 4, wait: "1s" } }, async (xs: number[], ys: string[]) =>
      xs.map((x, i) => x + (ys[i] ?? "")),
    );
    expectTypeOf(add.remote).toEqualTypeOf<(xs: number, ys: string) => Promise<string>>();
    expectTypeOf(add.local).toEqualTypeOf<(xs: number[], ys: string[]) => Promise<string[]>>();
    neverRun(() => expectTypeOf(add.map([1], ["a"])).toEqualTypeOf<MapCall<string>>());
    // @ts-expect-error It does not return a list.
    neverRun(() => app.function({ batched: { maxBatchSize: 4, wait: "1s" } }, async (xs: number[]) => xs.length));
    // @ts-expect-error It does not take a list.
    neverRun(() => app.function({ batched: { maxBatchSize: 4, wait: "1s" } }, async (x: number) => [x]));
  });
});

describe("classes", () => {
  class Impl extends parameters({
    name: parameter.string(),
    size: parameter.int({ default: 3 }),
    mode: parameter.string({ values: ["fast", "good"], default: "fast" }),
  }) {
    protected async load() {
      expectTypeOf(this.name).toEqualTypeOf<string>();
      expectTypeOf(this.mode).toEqualTypeOf<"fast" | "good">();
    }
    async run(x: number) {
      return { x, by: this.name };
    }
    first<T>(list: T[]): Promise<T | undefined> {
      return Promise.resolve(list[0]);
    }
    async *count(to: number) {
      for (let i = 0; i < to; i++) yield i;
    }
    async embed(texts: Batch<string>): Promise<number[][]> {
      return texts.map((text) => [text.length]);
    }
  }

  it("have instances with a handle for each public method", () => {
    neverRun(async () => {
      const Model = app.cls({}, Impl);
      const model = new Model({ name: "x", mode: "good" });
      expectTypeOf<keyof typeof model>().toEqualTypeOf<"run" | "first" | "count" | "embed">();
      expectTypeOf(model.run.remote).toEqualTypeOf<(x: number) => Promise<{ x: number; by: string }>>();
      expectTypeOf(await model.first.remote(["a"])).toEqualTypeOf<string | undefined>();
      expectTypeOf(model.count.remoteGen(3)).toEqualTypeOf<AsyncGenerator<number, void, undefined>>();
      expectTypeOf(await model.embed.remote("a")).toEqualTypeOf<number[]>();
      expectTypeOf(await model.embed.map(["a"])).toEqualTypeOf<number[][]>();
      expectTypeOf(Model.withOptions({ cpu: 2 }).withConcurrency({ maxInputs: 2 })).toEqualTypeOf<typeof Model>();
      expectTypeOf((await Model.local({ name: "x" })).run).toEqualTypeOf<(x: number) => Promise<{ x: number; by: string }>>();
    });
    const Model = () => app.cls({}, Impl);
    // @ts-expect-error A parameter without a default is missing.
    neverRun(() => new (Model())({ size: 3 }));
    // @ts-expect-error All of them are.
    neverRun(() => new (Model())());
    // @ts-expect-error No such value.
    neverRun(() => new (Model())({ name: "x", mode: "slow" }));
    // @ts-expect-error No such parameter.
    neverRun(() => new (Model())({ name: "x", nme: 1 }));
    // @ts-expect-error Protected.
    neverRun(() => new (Model())({ name: "x" }).load);
  });

  it("have exactly the methods that are listed, and the constructor's own parameters", () => {
    class Plain {
      readonly region: string;
      constructor(region: string) {
        this.region = region;
      }
      load() {}
      run() {
        return this.region;
      }
    }
    neverRun(async () => {
      const plain = new (app.cls({ methods: ["run"], enter: ["load"] }, Plain))("eu");
      expectTypeOf<keyof typeof plain>().toEqualTypeOf<"run">();
      expectTypeOf(await plain.run.remote()).toEqualTypeOf<string>();
    });
    // @ts-expect-error Not a member.
    neverRun(() => app.cls({ methods: ["nope"] }, Plain));
    // @ts-expect-error The region is missing.
    neverRun(() => new (app.cls({ methods: ["run"] }, Plain))());
  });
});

describe("functions by name", () => {
  it("have the type of a handle or of a signature, without what needs the handler", () => {
    const byHandle = Deployed.fromName<typeof square>("types", "square");
    expectTypeOf(byHandle.remote).toEqualTypeOf<(x: number) => Promise<number>>();
    expectTypeOf(byHandle).not.toHaveProperty("local");
    expectTypeOf(byHandle.callWith({})).not.toHaveProperty("local");
    expectTypeOf(Deployed.fromName<typeof count>("types", "count").remoteGen).parameters.toEqualTypeOf<[to: number]>();
    expectTypeOf(Deployed.fromName<typeof count>("types", "count")).not.toHaveProperty("remote");
    const bySignature = Deployed.fromName<(x: number, named?: Kw<{ factor?: number }>) => number>("types", "scale");
    neverRun(() => bySignature.remote(1, kw({ factor: 2 })));
    // @ts-expect-error No such parameter.
    neverRun(() => bySignature.remote(1, kw({ factr: 2 })));
  });

  it("take anything and give unknown when nothing is said", () => {
    const untyped = Deployed.fromName("types", "square");
    expectTypeOf(untyped.remote).toEqualTypeOf<(...args: unknown[]) => Promise<unknown>>();
    expectTypeOf(untyped.remoteGen).returns.toEqualTypeOf<AsyncGenerator<unknown, void, undefined>>();
  });

  it("are, of a module, its exported functions and nothing else", () => {
    const exported = { square, count, app, parse, other: 5 };
    const ref = App.ref<typeof exported>("types");
    expectTypeOf<keyof typeof ref>().toEqualTypeOf<"square" | "count" | "parse">();
    expectTypeOf(ref.square.remote).toEqualTypeOf<(x: number) => Promise<number>>();
    expectTypeOf(ref.parse.remote).returns.resolves.toEqualTypeOf<string>();
  });

  it("are classes by the type of what app.cls returned", () => {
    class Impl extends parameters({ name: parameter.string(), size: parameter.int({ default: 1 }) }) {
      async run(x: number) {
        return String(x);
      }
      async *each() {
        yield 1;
      }
    }
    const Model = app.cls({ name: "ByName", methods: ["run", "each"] }, Impl);
    const ref = App.ref<{ readonly Model: typeof Model }>("types");
    neverRun(() => {
      const model = new ref.Model({ name: "x" });
      expectTypeOf(model.run.remote).toEqualTypeOf<(x: number) => Promise<string>>();
      expectTypeOf(model.run).not.toHaveProperty("local");
      expectTypeOf(model.each.remoteGen).returns.toEqualTypeOf<AsyncGenerator<number, void, undefined>>();
    });
    // @ts-expect-error The name is missing.
    neverRun(() => new (Cls.fromName<typeof Model>("types", "Model"))({}));
  });
});
