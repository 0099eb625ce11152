import {
  create,
  DataFormat,
  encodePayload,
  errorToWire,
  type GenericResult,
  GenericResultSchema,
  LydianError,
  registerError,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import {
  ContainerLostError,
  ContainerStartError,
  FunctionCancelledError,
  FunctionTimeoutError,
  InvalidError,
  NonRetriableError,
  OutOfMemoryError,
  RemoteError,
  RetryAfterError,
} from "../errors.ts";
import { callerStack, resultError, resultValue } from "./result.ts";

const withData = (status: Status, value: unknown): GenericResult =>
  create(GenericResultSchema, { status, dataOneof: { case: "data", value: encodePayload(value, { rich: true }) } });
const thrown = (error: unknown): GenericResult => withData(Status.FAILURE, errorToWire(error));
const errorOf = (result: GenericResult | undefined, calledFrom?: string) =>
  resultError(result, DataFormat.CBOR_TS, calledFrom === undefined ? undefined : () => calledFrom);

describe("resultValue", () => {
  it("is the value of a success", async () => {
    expect(await resultValue(withData(Status.SUCCESS, new Map([["a", 1n]])), DataFormat.CBOR_TS)).toEqual(new Map([["a", 1n]]));
    expect(await resultValue(create(GenericResultSchema, { status: Status.SUCCESS }), DataFormat.CBOR_TS)).toBeUndefined();
  });

  it("rejects for a failure", async () => {
    await expect(resultValue(thrown(new TypeError("no")), DataFormat.CBOR_TS)).rejects.toThrow(TypeError);
  });

  it("names a format that it cannot read", async () => {
    await expect(resultValue(withData(Status.SUCCESS, 1), DataFormat.PICKLE)).rejects.toThrow("PICKLE");
  });
});

describe("resultError without data", () => {
  it.each([
    ["TIMEOUT", FunctionTimeoutError, "deadline_exceeded"],
    ["TERMINATED", FunctionCancelledError, "cancelled"],
    ["INIT_FAILURE", ContainerStartError, "failed_precondition"],
    ["INTERNAL_FAILURE", ContainerLostError, "unavailable"],
    ["KERNEL_OOM_KILL", OutOfMemoryError, "resource_exhausted"],
    ["MEMORY_MANAGER_EVICTION", OutOfMemoryError, "resource_exhausted"],
    ["MEMORY_THRASHING_EVICTION", OutOfMemoryError, "resource_exhausted"],
    ["FAILURE", RemoteError, "unknown"],
    ["IDLE_TIMEOUT", RemoteError, "unknown"],
    ["UNSPECIFIED", RemoteError, "unknown"],
  ] as const)("makes of %s the class that fits, with the server's words", async (status, errorClass, code) => {
    const error = await errorOf(create(GenericResultSchema, { status: Status[status], exception: "what happened" }));
    expect(error.constructor).toBe(errorClass);
    expect(error).toMatchObject({ name: errorClass.name, message: "what happened", code });
  });

  it("keeps a traceback that came as text", async () => {
    const error = await errorOf(
      create(GenericResultSchema, { status: Status.FAILURE, exception: "ValueError: 3", traceback: "File x.py" }),
    );
    expect((error as RemoteError).remoteStack).toBe("File x.py");
  });

  it("never is without a message", async () => {
    expect((await errorOf(create(GenericResultSchema, { status: Status.FAILURE }))).message).not.toBe("");
    expect(await errorOf(undefined)).toMatchObject({ code: "internal", message: "The server sent an output without a result." });
  });
});

describe("resultError with what was thrown", () => {
  it.each([TypeError, RangeError, SyntaxError, ReferenceError, URIError, EvalError, Error])("revives %o", async (errorClass) => {
    const error = await errorOf(thrown(new errorClass("no")));
    expect(error.constructor).toBe(errorClass);
    expect(error.message).toBe("no");
  });

  it.each([new InvalidError("no"), new NonRetriableError("no"), new RetryAfterError("no", 5), new FunctionTimeoutError("no")])(
    "revives our own %o",
    async (original) => {
      const error = await errorOf(thrown(original));
      expect(error.constructor).toBe(original.constructor);
      expect(error).toMatchObject({ name: original.name, message: "no", code: original.code });
    },
  );

  it("revives a registered class with its fields and its cause", async () => {
    class OutOfStock extends Error {
      readonly sku: string;
      constructor(sku: string, options?: ErrorOptions) {
        super(`no ${sku} left`, options);
        this.sku = sku;
      }
    }
    registerError(OutOfStock);
    const error = await errorOf(thrown(new OutOfStock("shoe", { cause: new RangeError("0") })));
    expect(error).toBeInstanceOf(OutOfStock);
    expect(error).toMatchObject({ message: "no shoe left", sku: "shoe" });
    expect(error.cause).toBeInstanceOf(RangeError);
  });

  it("makes of an unknown class a RemoteError that names it and has the original as its cause", async () => {
    class QuotaError extends Error {
      override readonly name = "QuotaError";
      readonly left = 0;
    }
    const original = new QuotaError("used up");
    const error = await errorOf(thrown(original));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ message: "QuotaError: used up", remoteName: "QuotaError", remoteStack: original.stack });
    expect(error.cause).toMatchObject({ name: "QuotaError", message: "used up", left: 0 });
  });

  it("names an unknown class that did not set a name", async () => {
    class Unnamed extends Error {}
    const error = await errorOf(thrown(new Unnamed("x")));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ remoteName: "Unnamed", message: "Unnamed: x" });
  });

  it.each(["a string", 5, null, undefined, { a: 1 }])("takes %j, which is no error", async (value) => {
    const error = await errorOf(thrown(value));
    expect(error.constructor).toBe(Error);
    expect(error.message).toBe(String(value));
  });

  it("falls back on the server's words when the data is no error", async () => {
    const result = withData(Status.FAILURE, 5);
    result.exception = "ValueError: 3";
    expect(await errorOf(result)).toMatchObject({ name: "RemoteError", message: "ValueError: 3" });
    expect(await resultError(result, DataFormat.PICKLE)).toMatchObject({ name: "RemoteError", message: "ValueError: 3" });
  });

  it("keeps the message when the status is not that of a failure", async () => {
    const result = withData(Status.TIMEOUT, errorToWire(new RangeError("late")));
    expect(await errorOf(result)).toBeInstanceOf(RangeError);
  });
});

describe("stacks", () => {
  it("has the remote frames first, then those of the caller", async () => {
    const original = new TypeError("no");
    original.stack = "TypeError: no\n    at handler (src/work.ts:3:1)";
    const error = await errorOf(thrown(original), "    at main (src/main.ts:9:2)");
    expect(error.stack).toBe("TypeError: no\n    at handler (src/work.ts:3:1)\n    --- called from ---\n    at main (src/main.ts:9:2)");
  });

  it("stays as it was without a caller, and is not enumerable", async () => {
    const error = await errorOf(thrown(new TypeError("no")), "    at main (src/main.ts:9:2)");
    expect(Object.keys(error)).not.toContain("stack");
    expect((await errorOf(thrown(new TypeError("no"))))?.stack).not.toContain("called from");
  });

  it("of the caller leaves out the SDK and Node", () => {
    expect(callerStack()() ?? "").not.toMatch(/lydian\/src\/|node:internal/);
  });

  it("is that of our own errors too", async () => {
    const error = await errorOf(create(GenericResultSchema, { status: Status.TIMEOUT, exception: "late" }), "    at main (a.ts:1:1)");
    expect(LydianError.is(error)).toBe(true);
    expect(error.stack).toMatch(/ {4}--- called from ---\n {4}at main \(a\.ts:1:1\)$/);
  });
});
