import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { retryDelayMs } from "./retry.ts";

const lost = { code: "unavailable", message: "lost", connectionLost: true } as const;

describe("the pause before the next attempt", () => {
  it("grows from 0.1 s to 1 s and never beyond", () => {
    const delays = [1, 2, 3, 4, 5, 50, 5000].map((failures) => retryDelayMs(lost, { failures, elapsedMs: 0, retryForMs: 60_000 }, 0));
    expect(delays).toEqual([100, 200, 400, 800, 1000, 1000, 1000]);
  });

  it("is at most a fifth shorter by chance", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (failures, random) => {
        const attempts = { failures, elapsedMs: 0, retryForMs: 60_000 };
        const longest = retryDelayMs(lost, attempts, 0) ?? 0;
        const delay = retryDelayMs(lost, attempts, random) ?? 0;
        expect(delay).toBeGreaterThanOrEqual(longest * 0.8);
        expect(delay).toBeLessThanOrEqual(longest);
      }),
    );
  });

  it("is none once the bound is reached", () => {
    expect(retryDelayMs(lost, { failures: 9, elapsedMs: 59_500, retryForMs: 60_000 }, 0)).toBeUndefined();
  });

  it("is none for what will not change", () => {
    const attempts = { failures: 1, elapsedMs: 0, retryForMs: 60_000 };
    expect(retryDelayMs({ code: "not_found", message: "" }, attempts, 0)).toBeUndefined();
    expect(retryDelayMs({ code: "deadline_exceeded", message: "" }, attempts, 0)).toBeUndefined();
  });

  it("is what the server asks for", () => {
    const failure = { code: "resource_exhausted", message: "", retryAfterMs: 2500 } as const;
    expect(retryDelayMs(failure, { failures: 1, elapsedMs: 0, retryForMs: 60_000 }, 0)).toBe(2500);
  });
});
