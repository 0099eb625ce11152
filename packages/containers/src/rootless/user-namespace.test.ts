import { describe, expect, it } from "vitest";
import { subordinateIds } from "./user-namespace.ts";

describe("subordinate ids", () => {
  it.each([
    ["by name", "other:1:9\nada:100000:65536\n", 65_536],
    ["by number", "1001:100000:65535", 65_535],
    ["the largest of several", "ada:100000:10\nada:200000:70000", 70_000],
    ["none", "adam:100000:65536\n", 0],
    ["of an empty file", "", 0],
    ["of a broken line", "ada:100000:many\nada", 0],
  ])("are found %s", (_, file, count) => {
    expect(subordinateIds(file, "ada", 1001)).toBe(count);
  });
});
