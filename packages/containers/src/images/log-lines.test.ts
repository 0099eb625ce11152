import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineSplitter } from "./log-lines.ts";

const split = (chunks: readonly Uint8Array[]): string[] => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => void lines.push(line));
  for (const chunk of chunks) splitter.write(chunk);
  splitter.end();
  return lines;
};

describe("LineSplitter", () => {
  it("gives the same lines however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "binary" }).map((text) => text.replace(/[\r\n]/g, ""))),
        fc.integer({ min: 1, max: 7 }),
        (lines, size) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
          const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
            bytes.subarray(index * size, (index + 1) * size),
          );
          expect(split(chunks)).toEqual(bytes.toString("utf8").split("\n").slice(0, -1));
        },
      ),
    );
  });

  it("shows the last state of a progress bar and breaks endless lines", () => {
    expect(split([Buffer.from("10%\r50%\r100%\r\nno end")])).toEqual(["100%", "no end"]);
    expect(split([Buffer.alloc(40_000, "x")]).map((line) => line.length)).toEqual([16_384, 16_384, 7_232]);
  });
});
