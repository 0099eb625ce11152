import { describe, expect, it } from "vitest";
import { installedVersion, pythonSource } from "./python-version.ts";

describe("pythonSource", () => {
  it("goes by the minor: a distribution has one patch version of it", () => {
    expect(pythonSource("3.11.12")).toMatchObject({ minor: "3.11", suite: "bookworm" });
    expect(pythonSource("3.13")).toMatchObject({ minor: "3.13", suite: "trixie" });
    expect(pythonSource("3.12.10")).toMatchObject({ suite: "noble", distribution: "Ubuntu 24.04" });
    expect(pythonSource("3")?.minor).toBe("3.13");
    expect([pythonSource("3.1"), pythonSource("2"), pythonSource("2.7.18")]).toEqual([undefined, undefined, undefined]);
  });
});

describe("installedVersion", () => {
  it("reads dpkg's record, without epochs and revisions of the distribution", () => {
    const status =
      "Package: python3.11-dev\nVersion: 9\n\nPackage: python3.11\nStatus: install ok installed\nVersion: 3.11.2-6+deb12u8\n\nPackage: tar\nVersion: 1:1.34+dfsg-1\n";
    expect(installedVersion(status, "python3.11")).toBe("3.11.2");
    expect(installedVersion(status, "tar")).toBe("1.34");
    expect(installedVersion(status, "perl")).toBeUndefined();
  });
});
