import { describe, expect, it } from "vitest";
import { LydianError } from "../errors.ts";
import { errorFromWire, errorToWire, registerError } from "./errors.ts";
import { decodePayload, encodePayload } from "./payload.ts";

function sent<T extends Error>(error: T): T {
  return decodePayload(encodePayload(error, { rich: true })) as T;
}

describe("a sent error", () => {
  it("keeps class, message, stack, code, fields and the chain of causes", () => {
    const cause = Object.assign(new TypeError("lookup table is empty"), { code: "E_EMPTY", table: "ids", when: new Date(5) });
    const error = sent(new RangeError("no such id: 42", { cause }));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toBe("no such id: 42");
    expect(error.stack).toContain("errors.test.ts");
    expect(Object.keys(error)).toEqual([]);
    expect(error.cause).toBeInstanceOf(TypeError);
    expect(error.cause).toMatchObject({ message: "lookup table is empty", code: "E_EMPTY", table: "ids", when: new Date(5) });
  });

  it("keeps the members of an AggregateError", () => {
    const error = sent(new AggregateError([new SyntaxError("a"), "b"], "both"));
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.errors[0]).toBeInstanceOf(SyntaxError);
    expect(error.errors[1]).toBe("b");
  });

  it("keeps LydianErrors recognisable", () => {
    const error = sent(new LydianError("not_found", "no app", { hint: "make one", retryAfterMs: 5 }));
    expect(LydianError.is(error)).toBe(true);
    expect(error).toMatchObject({ code: "not_found", hint: "make one", retryable: true, retryAfterMs: 5 });
  });

  it("arrives as a registered class without its constructor being run", () => {
    class OutOfStock extends Error {
      sku: string;
      constructor(sku: string) {
        if (sku !== "once") throw new Error("constructed again");
        super(`${sku} is out of stock`);
        this.sku = sku;
      }
    }
    const error = new OutOfStock("once");
    expect(sent(error)).not.toBeInstanceOf(OutOfStock);
    registerError(OutOfStock);
    expect(sent(error)).toBeInstanceOf(OutOfStock);
    expect(sent(error)).toMatchObject({ sku: "once", message: "once is out of stock" });
  });

  it("keeps the name of a class that nobody registered", () => {
    const error = new Error("late");
    error.name = "AbortError";
    expect(sent(error).name).toBe("AbortError");
    expect(String(sent(error))).toBe("AbortError: late");
  });

  it("has as text what cannot be sent, and survives hostile getters and circles", () => {
    const error = Object.assign(new Error("x"), { handler: () => 1, self: undefined as unknown, at: Number.NaN });
    error.self = error;
    Object.defineProperty(error, "boom", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    error.cause = error;
    const arrived = sent(error) as typeof error;
    expect(arrived.handler).toContain("=> 1");
    expect(arrived.cause).toBe("Error: x");
    expect(arrived.self).toBe("Error: x");
  });

  it("ends circles of errors through objects, and floods of errors", () => {
    const error = Object.assign(new Error("x"), { response: {} as object, many: [] as unknown[] });
    error.response = { error, again: { error } };
    error.many = Array.from({ length: 300 }, () => new Error("y", { cause: error }));
    const arrived = sent(error) as typeof error;
    expect(arrived.response).toEqual({ error: "Error: x", again: { error: "Error: x" } });
    expect(arrived.many).toHaveLength(300);
    expect(arrived.many[299]).toBe("Error: y");
  });
});

describe("an error from anyone", () => {
  it.each([undefined, null, 5, "x", [], {}, { name: 5, message: {} }, { name: "__proto__", message: "m" }, { name: "constructor" }])(
    "%j becomes some Error",
    (wire) => {
      const error = errorFromWire(wire);
      expect(error).toBeInstanceOf(Error);
      expect(typeof error.message).toBe("string");
    },
  );

  it("sets no prototype through its fields", () => {
    const error = errorFromWire({ name: "Error", message: "m", fields: JSON.parse('{"__proto__": {"polluted": 1}}') });
    expect(error).toBeInstanceOf(Error);
    expect((error as unknown as { polluted?: number }).polluted).toBeUndefined();
  });

  it("ends a chain of causes that is too long", () => {
    let wire: unknown = { name: "Error", message: "deepest" };
    for (let i = 0; i < 1000; i++) wire = { name: "Error", message: String(i), cause: { $error: wire } };
    expect(errorFromWire(wire).message).toBe("999");
  });
});

it("a thrown value that is no Error becomes one", () => {
  expect(errorToWire("plain text")).toMatchObject({ name: "Error", message: "plain text", fields: { thrown: "plain text" } });
  expect(errorToWire(Object.create(null))).toMatchObject({ message: "a value without text" });
});
