import fc from "fast-check";
import { expect, it } from "vitest";
import { encodeFrame, FRAME, FrameDecoder, MAX_FRAME_BYTES } from "./frames.ts";

it("gives back what was sent, however it was cut", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), fc.integer({ min: 1, max: 50 }), (payloads, cut) => {
      const bytes = Buffer.concat(payloads.map((payload) => encodeFrame(FRAME.stdout, payload)));
      const seen: Buffer[] = [];
      const decoder = new FrameDecoder((_, payload) => seen.push(Buffer.from(payload)));
      for (let at = 0; at < bytes.length; at += cut) decoder.push(bytes.subarray(at, at + cut));
      expect(seen).toEqual(payloads.map((payload) => Buffer.from(payload)));
    }),
  );
});

it("refuses a frame that claims to be huge", () => {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(MAX_FRAME_BYTES + 1, 1);
  expect(() => new FrameDecoder(() => {}).push(header)).toThrow("over the limit");
});
