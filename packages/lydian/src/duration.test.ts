import { describe, expect, it } from "vitest";
import { type Duration, durationMs } from "./duration.ts";
import { InvalidError } from "./errors.ts";

describe("durationMs", () => {
  it.each<[Duration, number]>([
    ["0s", 0],
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1.5h", 5_400_000],
    ["2d", 172_800_000],
    [0, 0],
    [1_500, 1_500],
  ])("reads %j as %d ms", (duration, ms) => {
    expect(durationMs(duration, "`timeout`")).toBe(ms);
  });

  it.each(["", "5", "s", "-5s", "5 s", "5S", "1e3s", "5m30s", ".5s", -1, Number.POSITIVE_INFINITY, null, undefined, true, {}])(
    "refuses %j",
    (duration) => {
      expect(() => durationMs(duration as Duration, "`timeout`")).toThrow(InvalidError);
    },
  );

  it("names the option, the value and what to write instead", () => {
    expect(() => durationMs("soon" as Duration, "`timeout`")).toThrow(
      '`timeout` is "soon", which is no duration: write for example "500ms"',
    );
    expect(() => durationMs(Number.NaN, "`timeout`")).toThrow("`timeout` is NaN,");
  });
});
