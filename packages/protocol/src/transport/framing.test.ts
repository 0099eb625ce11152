import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frame, MessageReader } from "./framing.ts";

describe("framed messages", () => {
  it("come out whole and in order however the bytes are cut", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(messages, cuts, (sent, sizes) => {
        const bytes = Buffer.concat(sent.flatMap((message) => [...frame(message)]));
        const reader = new MessageReader(1000, "request");
        const received: Uint8Array[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          received.push(...reader.push(bytes.subarray(at, at + size)));
          at += size;
        }
        expect(received.map((message) => [...message])).toEqual(sent.map((message) => [...message]));
        expect(reader.atBoundary).toBe(true);
      }),
    );
  });

  it("over the limit are refused when their length is known", () => {
    const reader = new MessageReader(10, "request");
    expect(() => reader.push(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))).toThrow("the request has 4294967295 bytes, more than the 10");
  });

  it("that are compressed are refused", () => {
    expect(() => new MessageReader(10, "request").push(Buffer.from([1, 0, 0, 0, 0]))).toThrow("is compressed");
  });
});
