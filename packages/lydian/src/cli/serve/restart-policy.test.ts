import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CRASH_WINDOW_MS, MAX_CRASHES, restartDelayMs } from "./restart-policy.ts";

describe("restarting a crashed server", () => {
  it("heals the first crash at once", () => {
    expect(restartDelayMs([1000], 1000)).toBe(0);
  });

  it("waits longer each time, then gives up", () => {
    const crashes: number[] = [];
    const delays = Array.from({ length: MAX_CRASHES + 1 }, (_, index) => {
      crashes.push(index * 1000);
      return restartDelayMs(crashes, index * 1000);
    });
    expect(delays).toEqual([0, 250, 500, 1000, 2000, undefined]);
  });

  it("forgets crashes that are long past", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000_000), { maxLength: 50 }), (times) => {
        const now = 1_000_000 + CRASH_WINDOW_MS + 1;
        expect(restartDelayMs([...times, now], now)).toBe(0);
      }),
    );
  });
});
