import type { RegisteredApp, RegisteredEntrypoint, RegisteredFunction } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { UsageError } from "../exit.ts";
import { pickTarget } from "./pick-target.ts";

const fn = (name: string | undefined): RegisteredFunction => ({
  kind: "function",
  name,
  file: undefined,
  options: {},
  handler: () => 0,
  isGenerator: false,
  handle: {},
});
const entrypoint = (name: string): RegisteredEntrypoint => ({
  kind: "entrypoint",
  name,
  file: undefined,
  options: {},
  handler: () => 0,
  handle: {},
});
const app = (...registered: RegisteredApp["registered"]): RegisteredApp => ({ name: "a", options: {}, registered });

function problem(work: () => unknown): UsageError {
  try {
    work();
  } catch (error) {
    if (error instanceof UsageError) return error;
  }
  throw new Error("it was accepted");
}

describe("what lydian run picks", () => {
  it("takes the only entrypoint, however many functions there are", () => {
    const main = entrypoint("main");
    expect(pickTarget([app(fn("f"), main, fn("g"))], undefined, "x.ts").target).toBe(main);
  });

  it("lists the entrypoints when there are several", () => {
    const error = problem(() => pickTarget([app(entrypoint("one"), entrypoint("two"))], undefined, "x.ts"));
    expect(error.message).toContain("2 entrypoints");
    expect(error.hint).toContain("lydian run x.ts::one");
    expect(error.hint).toContain("lydian run x.ts::two");
  });

  it("takes the only function when there is no entrypoint", () => {
    const only = fn("f");
    expect(pickTarget([app(only)], undefined, "x.ts").target).toBe(only);
  });

  it("lists the functions when there are several and no entrypoint", () => {
    const error = problem(() => pickTarget([app(fn("f"), fn("g"), fn(undefined))], undefined, "x.ts"));
    expect(error.hint).toContain("x.ts::g");
    expect(error.hint).toContain("without a name");
  });

  it("takes the named one, from any app of the file", () => {
    const wanted = fn("g");
    const second = app(wanted);
    expect(pickTarget([app(entrypoint("main")), second], "g", "x.ts")).toEqual({ app: second, target: wanted });
  });

  it("names what there is when the name is unknown", () => {
    expect(problem(() => pickTarget([app(fn("f"))], "ff", "x.ts")).hint).toContain("x.ts::f");
  });

  it("says where the methods of a class are called", () => {
    const cls = { kind: "class", name: "Model", file: undefined, options: {}, methods: [], parameters: [], handle: {} } as const;
    const model = { ...cls, start: async () => ({ methods: new Map(), stop: async () => {} }) };
    expect(problem(() => pickTarget([app(model)], undefined, "x.ts")).hint).toContain("in an entrypoint");
    expect(problem(() => pickTarget([app(model, fn("f"))], "Model", "x.ts")).message).toContain("Model in x.ts is a class");
    expect(pickTarget([app(model, fn("f"))], undefined, "x.ts").target.name).toBe("f");
  });

  it("explains a file without an app", () => {
    expect(problem(() => pickTarget([], undefined, "x.ts")).message).toBe("x.ts defines no app");
    expect(problem(() => pickTarget([app()], undefined, "x.ts")).hint).toContain("app.function");
  });
});
