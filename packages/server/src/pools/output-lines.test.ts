import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OutputLines } from "./output-lines.ts";

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

describe("lines of a container", () => {
  it("are whole however the bytes arrive", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 40 })), fc.array(fc.nat()), (texts, places) => {
        const text = texts.join("\n");
        const lines = new OutputLines();
        const printed = cut(Buffer.from(text), places).flatMap((data) => lines.push({ stream: "stdout", data }));
        const all = [...printed, ...lines.end()];
        expect(all.map((line) => line.text).join("")).toBe(text);
        for (const line of all.slice(0, -1)) expect(line.text.indexOf("\n")).toBe(line.text.length - 1);
      }),
    );
  });

  it("are cut when they do not end", () => {
    const lines = new OutputLines();
    const printed = lines.push({ stream: "stderr", data: Buffer.alloc(100_000, 120) });
    expect(printed.length).toBeGreaterThan(5);
    expect(Math.max(...printed.map(({ text }) => text.length))).toBeLessThanOrEqual(16 * 1024);
    expect([...printed, ...lines.end()].reduce((sum, { text }) => sum + text.length, 0)).toBe(100_000);
  });

  it("leave the last of both streams for a report", () => {
    const lines = new OutputLines();
    for (let at = 0; at < 100; at++) lines.push({ stream: at % 2 === 0 ? "stdout" : "stderr", data: Buffer.from(`line ${at}\n`) });
    expect(lines.tail().split("\n")).toEqual(Array.from({ length: 20 }, (_, at) => `line ${at + 80}`));
  });
});
