import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeFromGrpc, ERROR_CODES, type ErrorCode, LydianError } from "../errors.ts";
import { StatusSchema } from "../generated/google/rpc/status_pb.js";
import { decodeText, encodeText, errorTrailers, failureFromTrailers } from "./status.ts";

const text = fc.string({ unit: "grapheme", maxLength: 300 });

describe("an error's trailers", () => {
  it("bring back code, text, hint and retry time", () => {
    const codes = fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[]));
    fc.assert(
      fc.property(codes, text.filter(Boolean), fc.option(text), fc.option(fc.nat(60_000)), (code, message, hint, retryAfterMs) => {
        const error = new LydianError(code, message, { hint: hint ?? undefined, retryAfterMs: retryAfterMs ?? undefined });
        const failure = failureFromTrailers(errorTrailers(error, true));
        expect(failure).toMatchObject({ code, message, hint: hint ?? undefined });
        if (retryAfterMs === null) expect(failure?.retryAfterMs).toBeUndefined();
        else expect(failure?.retryAfterMs).toBeCloseTo(retryAfterMs, 1);
      }),
    );
  });

  it("give hints to each client in its words", () => {
    const error = new LydianError("not_found", "No secret.", { hint: "lydian secret create", officialHint: "modal secret create" });
    expect(failureFromTrailers(errorTrailers(error, true))).toMatchObject({ message: "No secret.", hint: "lydian secret create" });
    expect(failureFromTrailers(errorTrailers(error, false))).toMatchObject({ message: "No secret.\nmodal secret create", hint: undefined });
    const same = new LydianError("not_found", "No.", { hint: "Look." });
    expect(failureFromTrailers(errorTrailers(same, false))).toMatchObject({ message: "No.\nLook." });
  });

  it("are printable ASCII and small, whatever the text", () => {
    const trailers = errorTrailers(new LydianError("internal", "ü\n%\u0000".repeat(50_000)), true);
    expect(trailers["grpc-message"]).toMatch(/^[\x20-\x7e]+$/);
    expect(trailers["grpc-message"]?.length).toBeLessThan(13_000);
    expect(decodeText(trailers["grpc-message"] ?? "")).toMatch(/^ü\n%.*\.\.\.$/s);
  });

  it("have base64 text for details, without padding", () => {
    const trailers = errorTrailers(new LydianError("unavailable", "m", { retryAfterMs: 1500 }), true);
    expect(trailers["grpc-status-details-bin"]).toMatch(/^[A-Za-z0-9+/]+$/);
  });

  it("carry a message for official clients beside the code and the retry time", () => {
    const wireDetail = { type: "modal.client.FunctionLookupError", value: new Uint8Array([8, 1]) };
    const trailers = errorTrailers(new LydianError("not_found", "m", { wireDetail, retryAfterMs: 1_000 }), false);
    const status = fromBinary(StatusSchema, Buffer.from(trailers["grpc-status-details-bin"] ?? "", "base64"));
    expect(status).toMatchObject({ code: 5, message: "m" });
    expect(status.details[0]?.typeUrl).toBe("type.googleapis.com/modal.client.FunctionLookupError");
    expect([...(status.details[0]?.value ?? [])]).toEqual([8, 1]);
    expect(failureFromTrailers(trailers)?.retryAfterMs).toBe(1_000);
  });

  it("of status 0 are no failure, and what is not understood is unknown", () => {
    expect(failureFromTrailers({ "grpc-status": "0" })).toBeUndefined();
    expect(failureFromTrailers({ "grpc-status": "99" })).toMatchObject({ code: "unknown" });
    expect(failureFromTrailers({})).toMatchObject({ code: "unknown" });
    expect(failureFromTrailers({ "grpc-status": "5", "grpc-status-details-bin": "!!" })).toMatchObject({ code: "not_found" });
    expect(codeFromGrpc(5)).toBe("not_found");
  });
});

describe("percent-encoding", () => {
  it("is undone by decoding", () => {
    fc.assert(fc.property(text, (value) => decodeText(encodeText(value)) === value));
  });

  it("leaves alone what is no escape", () => {
    expect(decodeText("100% sure %zz %C3%A4")).toBe("100% sure %zz ä");
  });
});
