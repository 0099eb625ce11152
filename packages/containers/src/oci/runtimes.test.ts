import { describe, expect, it } from "vitest";
import { logErrors, parseVersion } from "./runtimes.ts";

describe("runtime output", () => {
  it.each([
    ["runc version 1.1.5+ds1\ncommit: x\nspec: 1.0.2-dev\n", "1.1.5+ds1"],
    ["crun version 1.8.1\ncommit: f8a\nspec: 1.0.0\n", "1.8.1"],
    ["runc version 1.4.0-rc.3\n", "1.4.0-rc.3"],
    ["something else", undefined],
  ])("reads the version in %j", (text, version) => {
    expect(parseVersion(text)).toBe(version);
  });

  it("takes errors out of runc's log and leaves warnings", () => {
    const log =
      'time="2026-01-01T00:00:00Z" level=warning msg="unimportant"\ntime="2026-01-01T00:00:00Z" level=error msg="exec: \\"/x\\": not found"\n';
    expect(logErrors(log)).toBe('exec: "/x": not found');
  });

  it("takes crun's log as it is, without the time", () => {
    expect(logErrors("2026-01-01T00:00:00.000000Z: executable file `x` not found\n")).toContain("executable file `x` not found");
    expect(logErrors("\n")).toBe("");
  });
});
