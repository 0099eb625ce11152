import { describe, expect, it } from "vitest";
import { checkPolicy, isAllowedName, version4 } from "./network-policy.ts";

describe("network policies", () => {
  it("takes ranges and domains as people write them", () => {
    checkPolicy("blocked");
    checkPolicy({ cidrs: ["192.0.2.0/24", "192.0.2.7", "0.0.0.0/0", "2001:db8::/32"], domains: ["Example.com", "*.a-b.example.", "_x.y"] });
  });

  it.each(["192.0.2.0/33", "192.0.2", "example.com", "1.2.3.4/24/8", "fe80::1%eth0", "1.2.3.4/ 8", "1.2.3.4 }", ""])(
    "refuses the range %j",
    (cidr) => {
      expect(() => checkPolicy({ cidrs: [cidr], domains: [] })).toThrow("is no address range");
    },
  );

  it.each(["", "*", "*.", "a..b", "a.*.b", "-a.b", "a b", 'a"b', `${"a".repeat(64)}.b`, `${"a.".repeat(130)}b`, "**.a"])(
    "refuses the domain %j",
    (domain) => {
      expect(() => checkPolicy({ cidrs: [], domains: [domain] })).toThrow("is no domain");
    },
  );

  it("bounds the lists", () => {
    expect(() => checkPolicy({ cidrs: [], domains: Array.from({ length: 1_001 }, (_, index) => `a${index}.b`) })).toThrow("1001 domains");
    expect(() => checkPolicy({ cidrs: Array.from({ length: 1_001 }, () => "1.2.3.4"), domains: [] })).toThrow("1001 address ranges");
  });

  it("leaves ranges of IPv6 without effect", () => {
    expect(version4(["1.2.3.0/24", "::/0"])).toEqual(["1.2.3.0/24"]);
  });
});

describe("names", () => {
  it.each([
    ["example.com", ["example.com"], true],
    ["EXAMPLE.com.", ["example.COM"], true],
    ["www.example.com", ["example.com"], false],
    ["www.example.com", ["*.example.com"], true],
    ["a.b.example.com", ["*.example.com"], true],
    ["example.com", ["*.example.com"], false],
    ["badexample.com", ["*.example.com", "example.com"], false],
    [".example.com", ["*.example.com"], false],
    ["example.com.evil.org", ["example.com", "*.example.com"], false],
    ["example.com", [], false],
  ])("%s is judged by %j", (name, domains, allowed) => {
    expect(isAllowedName(name, domains)).toBe(allowed);
  });
});
