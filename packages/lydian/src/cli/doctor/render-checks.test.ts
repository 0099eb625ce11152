import { describe, expect, it } from "vitest";
import { PLAIN } from "../display/style.ts";
import { renderChecks } from "./render-checks.ts";

const check = (status: "ok" | "warn" | "fail") => ({ name: `a ${status}`, status, found: "this", why: "it matters", fix: "do that" });

describe("what doctor prints", () => {
  it("explains only what is not well", () => {
    expect(renderChecks([check("ok")], PLAIN)).toBe("ok    a ok  this\n\nThis machine is ready.\n");
    const text = renderChecks([check("ok"), check("warn"), check("fail")], PLAIN);
    expect(text.match(/it matters/g)).toHaveLength(2);
    expect(text.match(/→ do that/g)).toHaveLength(2);
    expect(text).toContain("1 problem to solve, 1 warning.");
  });
});
