import { describe, expect, it } from "vitest";
import { atLeast, demand } from "./isolation.ts";

describe("the level of a container", () => {
  it("is the weakest that is offered, or that is enough", () => {
    expect(atLeast(undefined, ["namespaces", "user-namespace"])).toBe("namespaces");
    expect(atLeast("namespaces", ["user-namespace", "gvisor"])).toBe("user-namespace");
    expect(atLeast("user-namespace", ["namespaces", "gvisor"])).toBe("gvisor");
    expect(atLeast("gvisor", ["namespaces", "user-namespace"])).toBeUndefined();
    expect(atLeast(undefined, [])).toBeUndefined();
  });
});

describe("a demand", () => {
  it("takes the weaker levels away", () => {
    expect(demand("user-namespace", ["namespaces", "user-namespace", "gvisor"], {})).toEqual(["user-namespace", "gvisor"]);
    expect(demand(undefined, ["namespaces"], {})).toEqual(["namespaces"]);
    expect(demand(undefined, [], {})).toEqual([]);
  });

  it("that cannot be met is refused with the reason", () => {
    expect(() => demand("gvisor", ["namespaces", "user-namespace"], { gvisor: "runsc was not found." })).toThrow(
      'The isolation "gvisor" is demanded, and this machine offers namespaces, user-namespace only. runsc was not found.',
    );
    expect(() => demand("namespaces", [], {})).toThrow("offers none only");
  });
});
