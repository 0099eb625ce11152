import { APPS, type RegisteredClass } from "@lydian/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { App } from "../app.ts";
import { InvalidError } from "../errors.ts";
import { bindExports } from "../registry.ts";
import { batched, enter, exit, method } from "./decorators.ts";
import { parameter, parameters } from "./parameters.ts";

beforeEach(() => {
  (globalThis as Record<symbol, unknown>)[APPS] = undefined;
});

const onlyClass = (app: App) => app.registered[0] as RegisteredClass;

/** What a compiler makes of a decorator; the tools that run these tests leave them in the code. */
function decorate(cls: object, marks: Record<string, (value: never, context: never) => void>): void {
  const metadata = {};
  for (const [name, mark] of Object.entries(marks))
    mark((() => {}) as never, { kind: "method", name, static: false, private: false, metadata } as never);
  Object.defineProperty(cls, (Symbol as unknown as { metadata: symbol }).metadata, { value: metadata });
}

class Shop {
  readonly events: string[] = [];
  readonly region: string;
  constructor(region = "eu") {
    this.region = region;
  }
  async open() {
    this.events.push("open");
  }
  stock() {
    this.events.push("stock");
  }
  async buy(what: string) {
    return `${what} in ${this.region} after ${this.events.join()}`;
  }
  *list() {
    yield this.region;
  }
  close() {
    this.events.push("close");
    throw new Error("the door is stuck");
  }
  leave() {
    this.events.push("leave");
  }
}
const MEMBERS = { methods: ["buy", "list"], enter: ["open", "stock"], exit: ["close", "leave"] } as const;

describe("app.cls", () => {
  it("registers the methods, and an instance whose hooks run in their order", async () => {
    const app = new App("a");
    app.cls({ ...MEMBERS, timeout: "10s" }, Shop);
    const registered = onlyClass(app);
    expect(registered).toMatchObject({ kind: "class", name: "Shop", options: { timeout: "10s" }, parameters: [] });
    expect(registered.methods).toEqual([
      { name: "buy", isGenerator: false },
      { name: "list", isGenerator: true },
    ]);
    const { methods, stop } = await registered.start(["us"]);
    expect(await methods.get("buy")?.handler("tea")).toBe("tea in us after open,stock");
    expect(Array.from((methods.get("list")?.handler() ?? []) as Iterable<string>)).toEqual(["us"]);
    await expect(stop()).rejects.toThrow("the door is stuck");
    expect(await methods.get("buy")?.handler("tea")).toBe("tea in us after open,stock,close,leave");
  });

  it("takes the name of the export, and keeps one that was given", () => {
    const app = new App("a");
    const one = app.cls({ methods: ["run"] }, class Impl { run() {} }); // biome-ignore format: one line
    const two = app.cls({ methods: ["run"], name: "Two" }, class { run() {} }); // biome-ignore format: one line
    expect([one.name, two.name]).toEqual(["Impl", "Two"]);
    bindExports("a.ts", { One: one, Other: two });
    expect([one.name, two.name]).toEqual(["One", "Two"]);
    expect(new one().run.name).toBe("One.run");
  });

  it("has the members that decorators mark, those of base classes too", () => {
    class Base {
      hello() {}
      setUp() {}
    }
    decorate(Base, { hello: method({ params: ["who"] }), setUp: enter() });
    class Derived extends Base {
      override hello() {}
      bye() {}
      tearDown() {}
    }
    const schema = z.string();
    decorate(Derived, { hello: method({ params: ["whom"] }), bye: method({ input: schema }), tearDown: exit() });
    const app = new App("a");
    app.cls({}, Derived);
    expect(onlyClass(app).methods).toEqual([
      { name: "hello", isGenerator: false, params: ["whom"] },
      { name: "bye", isGenerator: false, input: schema },
    ]);
  });

  it("has the members that decorators of experimentalDecorators mark", () => {
    class Old {
      run() {}
    }
    method()(Old.prototype, "run", {});
    const app = new App("a");
    app.cls({}, Old);
    expect(onlyClass(app).methods).toEqual([{ name: "run", isGenerator: false }]);
  });

  it("refuses marks where they cannot work", () => {
    const context = { kind: "method", name: "#run", static: false, private: true, metadata: {} };
    expect(() => method()((() => {}) as never, context as never)).toThrow(
      "@method cannot be on #run, which only the class itself can call.",
    );
    expect(() => enter()((() => {}) as never, { ...context, private: false, static: true } as never)).toThrow(
      "belongs on a method of instances",
    );
  });

  it.each<[string, object, unknown, string]>([
    ["nothing to call", {}, class A {}, "The class A has no method that can be called from outside."],
    ["a method that is not there", { methods: ["nope"] }, class A {}, 'The method "nope" is not a method of the class A.'],
    ["a hook that is not there", { ...MEMBERS, enter: ["nope"] }, Shop, 'The enter hook "nope" is not a method of the class Shop.'],
    ["no class", { methods: ["run"] }, () => {}, "app.cls takes options and a class."],
    ["a schedule", { ...MEMBERS, schedule: {} }, Shop, "`schedule` is"],
    ["an input schema", { ...MEMBERS, input: z.string() }, Shop, "`input` is an option of functions; a class has none."],
    ["an unknown option", { ...MEMBERS, gpus: 1 }, Shop, "The function option `gpus` is not served yet"],
    [
      "batching and other methods",
      { ...MEMBERS, batched: { maxBatchSize: 2, wait: 0 } },
      Shop,
      "The class Shop batches and has the methods buy, list; a batched method must be the only one.",
    ],
    ["a batched generator", { methods: ["list"], batched: { maxBatchSize: 2, wait: 0 } }, Shop, "The method list is a generator"],
  ])("refuses a class with %s", (_what, options, cls, text) => {
    const app = new App("a");
    expect(() => app.cls(options as never, cls as never)).toThrow(text);
    expect(() => app.cls(options as never, cls as never)).toThrow(InvalidError);
    expect(app.registered).toEqual([]);
  });

  it("batches when a method is marked so", () => {
    class Model {
      async embed(texts: string[]) {
        return texts;
      }
    }
    decorate(Model, { embed: batched({ maxBatchSize: 8, wait: "20ms" }) });
    const app = new App("a");
    app.cls({}, Model);
    expect(onlyClass(app).options).toEqual({ batched: { maxBatchSize: 8, wait: "20ms" } });
  });

  it("gives instances in this process, with their hooks", async () => {
    const handle = new App("a").cls({ methods: ["buy"], enter: ["open"], exit: ["leave"] }, Shop);
    const shop = await handle.local("us");
    expect(await shop.buy("tea")).toBe("tea in us after open");
    await shop[Symbol.asyncDispose]();
    expect(shop.events).toEqual(["open", "leave"]);
    const remote = new handle("asia");
    expect(await remote.buy.local("tea")).toBe("tea in asia after open");
    expect(() => (handle as unknown as () => void)()).toThrow("new Model(…).method.remote(…)");
  });
});

describe("parameters", () => {
  const base = parameters({
    name: parameter.string(),
    size: parameter.int({ default: 3 }),
    mode: parameter.string({ values: ["fast", "good"], default: "fast" }),
    key: parameter.bytes({ default: new Uint8Array([1]) }),
    on: parameter.bool({ default: false }),
  });
  class Model extends base {
    run() {
      return [this.name, this.size, this.mode, this.on];
    }
  }

  it("are fields of the instance, with their defaults", () => {
    expect(new Model({ name: "x", size: 4, on: true }).run()).toEqual(["x", 4, "fast", true]);
  });

  it("are known without an instance", () => {
    const app = new App("a");
    app.cls({ methods: ["run"] }, Model);
    expect(onlyClass(app).parameters).toEqual([
      { name: "name", type: "string" },
      { name: "size", type: "int", default: 3 },
      { name: "mode", type: "string", default: "fast" },
      { name: "key", type: "bytes", default: new Uint8Array([1]) },
      { name: "on", type: "bool", default: false },
    ]);
  });

  it.each<[string, unknown, string]>([
    ["missing", {}, "The parameter `name` is missing; it is a string and has no default."],
    ["unknown", { name: "x", nme: 1 }, 'There is no parameter "nme"; there are: name, size, mode, key, on.'],
    ["of another type", { name: "x", size: 1.5 }, "The parameter `size` is 1.5; it must be a whole number."],
    ["too large", { name: "x", size: 2n ** 63n }, "must be a whole number"],
    ["none of its values", { name: "x", mode: "slow" }, 'The parameter `mode` is "slow"; it must be one of: fast, good.'],
    ["no record", 5, "The parameters are 5; they must be a record"],
  ])("refuse one that is %s, before anything is sent", (_what, given, text) => {
    const handle = new App("a").cls({ methods: ["run"] }, Model);
    expect(() => new handle(given as never)).toThrow(text);
    expect(() => new Model(given as never)).toThrow(InvalidError);
  });

  it("refuse names and defaults that cannot be", () => {
    expect(() => parameters({ "a b": parameter.int() })).toThrow('"a b" is not a name of a parameter');
    expect(() => parameters({ a: parameter.int({ default: 0.5 }) })).toThrow("The parameter `a` is 0.5");
  });
});
