import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quote, startLine } from "./slot-script.ts";

const base = {
  tool: undefined,
  layers: 2,
  withoutNetwork: false,
  volatile: true,
  keep: false,
  rootless: false,
  runtime: ["crun", "run", "x"],
};

describe("the line that starts a container", () => {
  it("stays under the kernel's 4096 bytes for mount options at 500 layers", () => {
    const options = /-o (\S+)/.exec(startLine({ ...base, layers: 500 }))?.[1] ?? "";
    expect(options.length).toBeLessThan(4096);
    expect(options).toContain("lowerdir=0:1:2:");
  });

  it("is one line", () => {
    for (const keep of [true, false]) expect(startLine({ ...base, keep, withoutNetwork: true }).match(/\n/g)).toHaveLength(1);
  });

  it("removes the network when none is wanted", () => {
    expect(startLine({ ...base, withoutNetwork: true })).toContain("ip link del eth0");
    expect(startLine(base)).not.toContain("ip link");
  });

  it("names attributes of directories as an overlay without root must", () => {
    expect(startLine({ ...base, rootless: true })).toContain(",userxattr");
    expect(startLine(base)).not.toContain("userxattr");
  });

  it("quotes any text for the shell", () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes("\0")),
        (text) => execFileSync("sh", ["-c", `printf %s ${quote(text)}`]).toString() === text,
      ),
      { numRuns: 20 },
    );
  });
});
