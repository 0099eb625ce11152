import { expect, it } from "vitest";
import { ERROR_CODES, LydianError } from "./errors.ts";
import { SerializationError } from "./payload/serialization-error.ts";

it("each code has a gRPC status of its own", () => {
  const numbers = Object.values(ERROR_CODES).map(({ grpc }) => grpc);
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
});

it("errors are recognised by their brand, subclasses included, and nothing else is", () => {
  expect(LydianError.is(new LydianError("internal", "x"))).toBe(true);
  expect(LydianError.is(new SerializationError("x"))).toBe(true);
  for (const other of [new Error("x"), null, undefined, "x", { code: "internal" }]) expect(LydianError.is(other)).toBe(false);
});

it("an error has only the fields that were given", () => {
  const cause = new Error("y");
  expect(Object.keys(new LydianError("internal", "x"))).toEqual(["code", "retryable"]);
  expect(new LydianError("internal", "x", { cause }).cause).toBe(cause);
  expect(String(new SerializationError("x"))).toBe("SerializationError: x");
});
