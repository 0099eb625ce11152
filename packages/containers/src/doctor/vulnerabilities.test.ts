import { describe, expect, it } from "vitest";
import { compareVersions, knownVulnerabilities } from "./vulnerabilities.ts";

describe("versions", () => {
  it.each([
    ["1.1.5", "1.1.12"],
    ["1.4.0-rc.2", "1.4.0-rc.3"],
    ["1.4.0-rc.3", "1.4.0"],
    ["1.0.0~rc93", "1.0.0"],
    ["1.1.5+ds1-1+deb12u1", "1.1.5+ds1-1+deb12u2"],
    ["1.9", "1.20"],
    ["5.4.0-100-generic", "5.10"],
  ])("%s is older than %s", (older, newer) => {
    expect(compareVersions(older, newer)).toBeLessThan(0);
    expect(compareVersions(newer, older)).toBeGreaterThan(0);
  });
});

describe("known vulnerabilities", () => {
  const ids = (...args: Parameters<typeof knownVulnerabilities>) => knownVulnerabilities(...args).map((text) => text.slice(0, 14));

  it("warns of an old runc", () => {
    expect(ids("runc", "1.1.11")).toEqual(["CVE-2024-21626", "CVE-2025-31133"]);
  });

  it("accepts a package that the distribution has repaired in place", () => {
    expect(ids("runc", "1.1.5+ds1", "1.1.5+ds1-1+deb12u1")).toEqual(["CVE-2025-31133"]);
    expect(ids("runc", "1.1.5+ds1", "1.1.5+ds1-1")).toContain("CVE-2024-21626");
  });

  it.each(["1.2.8", "1.3.3", "1.3.10", "1.4.0-rc.3", "1.4.0", "1.5.1"])("has nothing against runc %s", (version) => {
    expect(knownVulnerabilities("runc", version)).toEqual([]);
  });

  it.each(["1.2.7", "1.3.2", "1.4.0-rc.2", "1.1.15"])("warns of runc %s", (version) => {
    expect(ids("runc", version)).toEqual(["CVE-2025-31133"]);
  });
});
