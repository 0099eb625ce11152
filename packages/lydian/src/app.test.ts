import { APPS, type RegisteredFunction } from "@lydian/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { App, type AppOptions } from "./app.ts";
import { InvalidError } from "./errors.ts";
import type { AnyFunction } from "./function-types.ts";
import { Image } from "./image/image.ts";
import { bindExports, registeredApps } from "./registry.ts";

beforeEach(() => {
  (globalThis as Record<symbol, unknown>)[APPS] = undefined;
});

const onlyFunction = (app: App) => app.registered[0] as RegisteredFunction;

describe("App", () => {
  it("registers itself under the shared symbol", () => {
    const [one, two] = [new App("one"), new App()];
    expect(registeredApps()).toEqual([one, two]);
    expect(two.name).toBeUndefined();
  });

  it("refuses names and options that cannot be, and registers nothing then", () => {
    expect(() => new App("my app")).toThrow('"my app" is not a name of an app');
    expect(() => new App("a", { volumes: {} } as AppOptions)).toThrow("The app option `volumes` is not served yet");
    expect(() => new App("a", { image: "node:24" } as unknown as AppOptions)).toThrow("`image` must be an Image");
    expect(registeredApps()).toEqual([]);
  });

  it("keeps its image and tags", () => {
    const image = Image.node("22");
    expect(new App("a", { image, tags: { team: "x" } }).options).toEqual({ image, tags: { team: "x" } });
  });
});

describe("app.function", () => {
  it("registers the handler with the options as they were written", () => {
    const app = new App("a");
    const handler = async (x: number) => x;
    const schema = z.number();
    const options = { name: "work", timeout: "10s" as const, input: schema, params: ["x"] };
    const handle = app.function(options, handler);
    expect(onlyFunction(app)).toMatchObject({
      kind: "function",
      name: "work",
      file: undefined,
      options,
      isGenerator: false,
      params: ["x"],
    });
    expect(onlyFunction(app).handler).toBe(handler);
    expect(onlyFunction(app).handle).toBe(handle);
    expect(onlyFunction(app).input).toBe(schema);
  });

  it("gives a handle that runs the handler here through `local`", async () => {
    const handle = new App("a").function(async (x: number) => x * 2);
    expect(await handle.local(4)).toBe(8);
    expect(Object.keys(handle).sort()).toEqual([
      "callWith",
      "forEach",
      "getCurrentStats",
      "local",
      "map",
      "name",
      "remote",
      "spawn",
      "starMap",
      "updateAutoscaler",
      "withBatching",
      "withConcurrency",
      "withOptions",
    ]);
  });

  it.each<[string, AnyFunction, boolean]>([
    [
      "a generator",
      function* () {
        yield 1;
      },
      true,
    ],
    [
      "an async generator",
      async function* () {
        yield 1;
      },
      true,
    ],
    ["an async function", async () => 1, false],
    ["a function", () => 1, false],
    ["a function that returns an iterator", () => [1][Symbol.iterator](), false],
  ])("sees whether it is a generator: %s", (_, handler, isGenerator) => {
    const app = new App("a");
    const handle: object = app.function(handler as () => number);
    expect(onlyFunction(app).isGenerator).toBe(isGenerator);
    expect("remoteGen" in handle).toBe(isGenerator);
    expect("remote" in handle).toBe(!isGenerator);
  });

  it("suggests the name of the handler, but none that a tool made up, and none that cannot be", () => {
    const app = new App("a");
    const nameOf = (handler: AnyFunction) => {
      app.function(handler);
      return app.registered.at(-1)?.name;
    };
    expect(nameOf(async function resize() {})).toBe("resize");
    expect(nameOf(async () => {})).toBeUndefined();
    expect(nameOf(async function handler() {})).toBeUndefined();
    expect(nameOf(async function größe() {})).toBeUndefined();
    expect(nameOf(async function tagged() {}.bind(undefined))).toBeUndefined();
  });

  it("makes several functions of one handler, which their exports name", () => {
    const app = new App("a");
    const make = () => app.function(async function shared() {});
    const [one, two] = [make(), make()];
    bindExports("a.ts", { one, two });
    expect([one.name, two.name]).toEqual(["one", "two"]);
  });

  it("refuses two functions with one explicit name", () => {
    const app = new App("a");
    app.function({ name: "work" }, async () => {});
    expect(() => app.function({ name: "work" }, async () => {})).toThrow('Two things in the app "a" are named "work".');
    expect(app.registered).toHaveLength(1);
  });

  it("checks options when the module loads, and registers nothing then", () => {
    const app = new App("a");
    expect(() => app.function({ gpu: "H100" } as never, async () => {})).toThrow("`gpu` is not served yet");
    expect(() => app.function({ name: "no spaces" }, async () => {})).toThrow(InvalidError);
    expect(() => app.function({ timeout: 0 }, async () => {})).toThrow("`timeout` is 0");
    expect(() => app.function({}, undefined as unknown as () => number)).toThrow("app.function takes options and a handler");
    expect(app.registered).toEqual([]);
  });

  it("says that a function without a name cannot be called, when it is called", async () => {
    const handle = new App("a").function(async () => 1);
    expect(handle.name).toBe("");
    await expect(handle.remote()).rejects.toThrow("This function has no name: export it");
  });
});

describe("app.localEntrypoint", () => {
  it("registers the function with its options", () => {
    const app = new App("a");
    const args = z.object({ count: z.number() });
    app.localEntrypoint({ args, positionals: ["count"] }, async ({ count }) => count);
    expect(app.registered[0]).toMatchObject({ kind: "entrypoint", name: "main", options: { args, positionals: ["count"] } });
  });

  it("takes the name that is given, else the function's", () => {
    const app = new App("a");
    app.localEntrypoint({ name: "seed" }, async () => {});
    app.localEntrypoint(async function migrate() {});
    expect(app.registered.map(({ name }) => name)).toEqual(["seed", "migrate"]);
  });

  it("refuses two of one name, and that of a function", () => {
    const app = new App("a");
    app.function({ name: "resize" }, async () => {});
    expect(() => app.localEntrypoint(async function resize() {})).toThrow('named "resize"');
    app.localEntrypoint(async () => {});
    expect(() => app.localEntrypoint(async () => {})).toThrow('named "main"');
  });
});

describe("app.include", () => {
  it("takes over what another app has registered, the same objects", () => {
    const [app, other] = [new App("app"), new App("other")];
    other.function({ name: "work" }, async () => {});
    expect(app.include(other)).toBe(app);
    expect(app.registered[0]).toBe(other.registered[0]);
  });

  it("takes all or nothing", () => {
    const [app, other] = [new App("app"), new App("other")];
    app.function({ name: "taken" }, async () => {});
    other.function({ name: "fresh" }, async () => {});
    other.function({ name: "taken" }, async () => {});
    expect(() => app.include(other)).toThrow('Two things in the app "app" are named "taken".');
    expect(app.registered).toHaveLength(1);
  });
});
