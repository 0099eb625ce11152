import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BodyReader, BodyWriter, encodeFrame, FRAME, FrameReader, OPERATION } from "./wire.ts";

describe("frames", () => {
  it("are given back as they were sent, however they were cut", () => {
    const frames = fc.array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 40 })), { maxLength: 20 });
    fc.assert(
      fc.property(frames, fc.integer({ min: 1, max: 50 }), (sent, cut) => {
        const bytes = Buffer.concat(sent.map(([type, payload]) => encodeFrame(type, payload)));
        const reader = new FrameReader(40);
        const seen: [number, Uint8Array][] = [];
        for (let at = 0; at < bytes.length; at += cut) {
          for (const { type, payload } of reader.push(bytes.subarray(at, at + cut))) seen.push([type, new Uint8Array(payload)]);
        }
        expect(seen).toEqual(sent);
      }),
    );
  });

  it("are refused when they claim to be larger than they may be, after those before them", () => {
    const bytes = Buffer.concat([encodeFrame(1, Buffer.alloc(8)), encodeFrame(2, Buffer.alloc(9))]);
    const seen: number[] = [];
    expect(() => {
      for (const { type } of new FrameReader(8).push(bytes)) seen.push(type);
    }).toThrow("A frame of 9 bytes is over the limit of 8.");
    expect(seen).toEqual([1]);
  });
});

describe("bodies", () => {
  it("are read as they were written", () => {
    const text = fc.uint8Array({ maxLength: 30 });
    fc.assert(
      fc.property(fc.nat(255), fc.nat(0xffff_ffff), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), text, (a, b, c, d) => {
        const body = new BodyReader(new BodyWriter().u8(a).u32(b).u64(c).string(d).finish());
        expect([body.u8(), body.u32(), body.u64(), new Uint8Array(body.bytes())]).toEqual([a, b, c, d]);
        expect(() => body.u8()).toThrow(RangeError);
      }),
    );
  });

  it("end where a length claims more than there is", () => {
    expect(() => new BodyReader(Buffer.from([0, 0, 0, 9, 1, 2])).bytes()).toThrow("The agent sent 6 bytes where 13 were needed.");
  });
});

it("has the numbers of the agent's side", () => {
  const header = readFileSync(new URL("../../agent/wire.h", import.meta.url), "utf8");
  const numbers = (pattern: RegExp) => [...header.matchAll(pattern)].map((match) => Number(match[1])).sort((a, b) => a - b);
  const frames = /enum frame \{[^}]*\}/.exec(header)?.[0] ?? "";
  expect([...frames.matchAll(/= (\d+)/g)].map((match) => Number(match[1]))).toEqual(Object.values(FRAME));
  expect(numbers(/OP_\w+ = (\d+)/g)).toEqual(Object.values(OPERATION));
});
