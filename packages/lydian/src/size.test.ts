import { describe, expect, it } from "vitest";
import { InvalidError } from "./errors.ts";
import { type Size, sizeMiB } from "./size.ts";

describe("sizeMiB", () => {
  it.each<[Size, number]>([
    ["512Mi", 512],
    ["2Gi", 2_048],
    ["0.5Gi", 512],
    ["1Ti", 1_048_576],
    [128, 128],
  ])("reads %j as %d MiB", (size, mib) => {
    expect(sizeMiB(size, "memory")).toBe(mib);
  });

  it("rounds up, so that nothing gets less than it asked for", () => {
    expect(sizeMiB("1.5Mi", "memory")).toBe(2);
    expect(sizeMiB(0.1, "memory")).toBe(1);
  });

  it.each(["", "512", "512MB", "512mi", "-1Gi", "1 Gi", "0Mi", 0, -1, Number.POSITIVE_INFINITY, null, undefined, {}])(
    "refuses %j",
    (size) => {
      expect(() => sizeMiB(size as Size, "memory")).toThrow(InvalidError);
    },
  );

  it("refuses what no machine has, before it overflows on the wire", () => {
    expect(() => sizeMiB("4096Ti", "memory")).toThrow(InvalidError);
    expect(sizeMiB("1024Ti", "memory")).toBe(1_073_741_824);
  });

  it("names the option, the value and what to write instead", () => {
    expect(() => sizeMiB("much" as Size, "memory")).toThrow('memory is "much", which is no size: write for example "512Mi"');
    expect(() => sizeMiB(Number.NaN, "memory")).toThrow("memory is NaN,");
  });
});
