import { DataFormat, encodePayload, type RegisteredFunction } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { bindNamed, callArguments } from "./call-arguments.ts";

const fn = {
  kind: "function",
  name: "f",
  file: undefined,
  options: {},
  handler: () => {},
  isGenerator: false,
  handle: {},
} as RegisteredFunction;

describe("bindNamed", () => {
  it("puts named arguments in their places and leaves gaps undefined", () => {
    expect(bindNamed([1], { c: 3 }, ["a", "b", "c"])).toEqual([1, undefined, 3]);
  });

  it("passes named arguments as one trailing object when the function lists no parameters", () => {
    expect(bindNamed([1], { c: 3 }, undefined)).toEqual([1, { c: 3 }]);
    expect(bindNamed([1], {}, undefined)).toEqual([1]);
  });

  it("refuses a name that is unknown or given twice", () => {
    expect(() => bindNamed([], { d: 1 }, ["a", "b"])).toThrow('there is no parameter "d": the function takes a, b');
    expect(() => bindNamed([1], { a: 1 }, ["a"])).toThrow('"a" was given twice');
  });
});

describe("callArguments", () => {
  it("refuses what is no list of arguments, and other formats by name", async () => {
    await expect(callArguments(encodePayload({ a: 1 }), DataFormat.CBOR, fn)).rejects.toThrow("not a list of positional");
    await expect(callArguments(encodePayload([[], [1]]), DataFormat.CBOR, fn)).rejects.toThrow("not a record");
    await expect(callArguments(new Uint8Array(), DataFormat.PICKLE, fn)).rejects.toThrow("not PICKLE");
  });
});
