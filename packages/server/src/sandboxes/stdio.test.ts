import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutBytes } from "./stdio.ts";

describe("text that is cut anywhere", () => {
  it("is whole again when the cut characters go to the next piece", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, at) => {
        const bytes = Buffer.from(text);
        const first = bytes.subarray(0, at);
        const kept = first.length - cutBytes(first);
        expect(bytes.toString("utf8", 0, kept) + bytes.toString("utf8", kept)).toBe(text);
        expect(first.toString("utf8", 0, kept)).not.toContain("\ufffd");
      }),
    );
  });

  it("is not held back for bytes that are no text", () => {
    expect([[0x80], [0xff, 0x41], [0x41, 0x80, 0x80, 0x80, 0x80]].map((bytes) => cutBytes(Uint8Array.from(bytes)))).toEqual([0, 0, 0]);
  });
});
