import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatTimeout, parseTimeout } from "./timeout.ts";

describe("grpc-timeout", () => {
  it("is never shorter than asked for, has at most eight digits and is at most an hour longer", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1e14, noNaN: true }), (ms) => {
        const header = formatTimeout(ms);
        expect(header).toMatch(/^\d{1,8}[HSm]$/);
        expect(parseTimeout(header)).toBeGreaterThanOrEqual(ms);
        expect(parseTimeout(header)).toBeLessThanOrEqual(ms + 3_600_000);
      }),
    );
  });

  it.each([
    ["5S", 5000],
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["7m", 7],
    ["500u", 0.5],
    ["1000000n", 1],
  ])("%s is read", (header, ms) => {
    expect(parseTimeout(header)).toBeCloseTo(ms);
  });

  it.each(["", "5", "S", "123456789m", "5s", "-1S", "1.5S"])("%j is no timeout", (header) => {
    expect(parseTimeout(header)).toBeUndefined();
  });
});
