import { describe, expect, it } from "vitest";
import { mirrorsOf } from "./host-apt.ts";
import { ubuntuLines } from "./ubuntu.ts";

describe("ubuntuLines", () => {
  it("uses the machine's own Ubuntu mirror, else Ubuntu's for its architecture", () => {
    const own = mirrorsOf("http://mirror.example/ubuntu/ noble main Packages\nhttp://mirror.example/debian trixie main Packages").ubuntu;
    expect(ubuntuLines("jammy", own, "x64")[2]).toBe("deb http://mirror.example/ubuntu jammy-security main universe");
    expect(ubuntuLines("noble", undefined, "x64")[0]).toBe("deb http://archive.ubuntu.com/ubuntu noble main universe");
    expect(ubuntuLines("noble", undefined, "arm64")[0]).toBe("deb http://ports.ubuntu.com/ubuntu-ports noble main universe");
    expect(() => ubuntuLines("noble", undefined, "riscv64")).toThrow(/riscv64/);
  });
});
