import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isId, newId } from "./ids.ts";

describe("ids", () => {
  it("have the shape that the official clients take for an id, and never end in V", () => {
    const ids = Array.from({ length: 5_000 }, () => newId("ta"));
    for (const id of ids) expect(id).toMatch(/^ta-[0-9A-Za-z]{21}[0-9A-UW-Za-z]$/);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("sort by the time of their creation", () => {
    const time = fc.integer({ min: 0, max: 4_000_000_000_000 });
    fc.assert(
      fc.property(time, time, (a, b) => {
        fc.pre(a !== b);
        expect(newId("ap", a) < newId("ap", b)).toBe(a < b);
      }),
    );
  });

  it("are told apart by kind and shape", () => {
    expect(isId("ap", newId("ap"))).toBe(true);
    for (const id of [newId("fu"), "ap-", "ap-123", `ap-${"-".repeat(22)}`, ""]) expect(isId("ap", id)).toBe(false);
  });
});
