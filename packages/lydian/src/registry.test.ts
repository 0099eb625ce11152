import { APPS, type RegisteredFunction } from "@lydian/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { App } from "./app.ts";
import { InvalidError } from "./errors.ts";
import { bindExports, checkName, registeredApps } from "./registry.ts";

beforeEach(() => {
  (globalThis as Record<symbol, unknown>)[APPS] = undefined;
});

const functions = (app: App) => app.registered.filter((item): item is RegisteredFunction => item.kind === "function");
const names = (app: App) => app.registered.map(({ name }) => name);

describe("checkName", () => {
  it.each(["a", "square", "_x", "$", "a.b-c", "9", "x".repeat(128)])("takes %s", (name) => {
    expect(() => checkName(name, "a function")).not.toThrow();
  });

  it.each(["", " ", "a b", "a/b", "größe", "a\n", "x".repeat(129), 5, null])("refuses %j", (name) => {
    expect(() => checkName(name, "a function")).toThrow(InvalidError);
    expect(() => checkName(name, "a function")).toThrow(`${JSON.stringify(name)} is not a name of a function`);
  });
});

describe("bindExports", () => {
  it("gives functions the names of their exports and the file", () => {
    const app = new App("a");
    const square = app.function(async (x: number) => x * x);
    const double = app.function(async (x: number) => x + x);
    expect(names(app)).toEqual([undefined, undefined]);
    bindExports("src/math.ts", { square, double, other: 3 });
    expect(names(app)).toEqual(["square", "double"]);
    expect(functions(app).map(({ file }) => file)).toEqual(["src/math.ts", "src/math.ts"]);
    expect(square.name).toBe("square");
  });

  it("prefers the export's name to the handler's, and an explicit one to both", () => {
    const app = new App("a");
    const exported = app.function(async function handlersOwn() {});
    const explicit = app.function({ name: "given" }, async () => {});
    bindExports("a.ts", { exported, explicit });
    expect(names(app)).toEqual(["exported", "given"]);
  });

  it("takes the first of two names, and a name rather than the default export", () => {
    const app = new App("a");
    const twice = app.function(async () => {});
    const main = app.function(async () => {});
    bindExports("a.ts", { default: main, one: twice, two: twice, start: main });
    expect(names(app)).toEqual(["one", "start"]);
  });

  it("leaves a default export the name of its handler", () => {
    const app = new App("a");
    const named = app.function(async function resize() {});
    const unnamed = app.function(async () => {});
    bindExports("a.ts", { default: named });
    bindExports("b.ts", { default: unnamed });
    expect(functions(app).map(({ name, file }) => [name, file])).toEqual([
      ["resize", "a.ts"],
      [undefined, "b.ts"],
    ]);
  });

  it("keeps the names of the module that came first", () => {
    const app = new App("a");
    const work = app.function(async () => {});
    bindExports("a.ts", { work });
    bindExports("index.ts", { reexported: work });
    expect(functions(app)[0]).toMatchObject({ name: "work", file: "a.ts" });
  });

  it("takes names that are other handlers' own until all are bound", () => {
    const app = new App("a");
    const first = app.function(async function second() {});
    const second = app.function(async function first() {});
    bindExports("a.ts", { first, second });
    expect(names(app)).toEqual(["first", "second"]);
  });

  it("refuses one name for two functions of an app", () => {
    const app = new App("shop");
    const one = app.function(async () => {});
    const two = app.function(async () => {});
    bindExports("a.ts", { work: one });
    expect(() => bindExports("b.ts", { work: two })).toThrow(InvalidError);
    expect(() => bindExports("c.ts", { work: app.function(async () => {}) })).toThrow('Two things in the app "shop" are named "work".');
  });

  it("lets two apps have functions of one name", () => {
    const [one, two] = [new App("one"), new App("two")];
    bindExports("a.ts", { work: one.function(async () => {}) });
    bindExports("b.ts", { work: two.function(async () => {}) });
    expect([names(one), names(two)]).toEqual([["work"], ["work"]]);
  });

  it("refuses an export whose name the server would not take", () => {
    const app = new App("a");
    expect(() => bindExports("a.ts", { größe: app.function(async () => {}) })).toThrow('"größe" is not a name of a function');
  });

  it("sees apps of another copy of the package", () => {
    const handle = {};
    const registration = {
      kind: "function" as const,
      name: undefined,
      file: undefined,
      options: {},
      handler: () => 1,
      isGenerator: false,
      handle,
    };
    registeredApps().push({ name: "foreign", options: {}, registered: [registration] });
    bindExports("a.ts", { work: handle });
    expect(registration).toMatchObject({ name: "work", file: "a.ts" });
  });
});
