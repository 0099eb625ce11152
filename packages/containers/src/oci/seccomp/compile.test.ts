import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileFilter, encodeFilter, type Instruction, VERDICT } from "./compile.ts";
import { CALL_NUMBERS } from "./numbers.ts";
import { ALLOWED_CALLS, NAMESPACE_FLAGS } from "./profile.ts";

const ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;

/** The kernel's side: runs a program on `struct seccomp_data`. */
function verdict(program: readonly Instruction[], arch: number, number: number, arg0 = 0): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(arch, 4);
  data.writeUInt32LE(arg0 >>> 0, 16);
  let accumulator = 0;
  for (let at = 0; at < program.length; at++) {
    const { code, jt, jf, k } = program[at] ?? expect.fail("ran off the program");
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x06) return k;
    else {
      const holds = code === 0x15 ? accumulator === k : code === 0x35 ? accumulator >= k : (accumulator & k) !== 0;
      at += holds ? jt : jf;
    }
  }
  return expect.fail("the program ended without an answer");
}

describe.each(["x64", "arm64"] as const)("the filter for %s", (arch) => {
  const program = compileFilter(arch);
  const numbers = CALL_NUMBERS[arch];
  const special = new Set(["clone", "clone3", "socket", "personality"].map((name) => numbers.get(name)));
  const allowed = new Set(ALLOWED_CALLS.map((name) => numbers.get(name)).filter((number) => number !== undefined));
  const highest = Math.max(...numbers.values());

  it("allows exactly the listed calls", () => {
    for (let number = 0; number <= highest + 50; number++) {
      if (special.has(number)) continue;
      const expected = allowed.has(number) ? VERDICT.allow : number > highest ? VERDICT.unknown : VERDICT.refuse;
      expect([number, verdict(program, ARCH[arch], number)]).toEqual([number, expected]);
    }
  });

  it("answers every number and argument", () => {
    const known: readonly number[] = Object.values(VERDICT);
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (number, argument) =>
        known.includes(verdict(program, ARCH[arch], number, argument)),
      ),
    );
  });

  it("lets threads and processes be made, but no namespaces", () => {
    const clone = numbers.get("clone") ?? -1;
    expect(verdict(program, ARCH[arch], clone, 0x3d0f00)).toBe(VERDICT.allow);
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        (flags) => (verdict(program, ARCH[arch], clone, flags) === VERDICT.allow) === ((flags & NAMESPACE_FLAGS) === 0),
      ),
    );
    expect(verdict(program, ARCH[arch], numbers.get("clone3") ?? -1)).toBe(VERDICT.unknown);
  });

  it("refuses sockets of the hypervisor and of kernel crypto", () => {
    const socket = numbers.get("socket") ?? -1;
    for (const family of [1, 2, 10, 16]) expect(verdict(program, ARCH[arch], socket, family)).toBe(VERDICT.allow);
    for (const family of [38, 40]) expect(verdict(program, ARCH[arch], socket, family)).toBe(VERDICT.refuse);
  });

  it("kills programs of another architecture", () => {
    expect(verdict(program, 0x4000_0003, 1)).toBe(VERDICT.kill);
  });

  it("fits the kernel's limit", () => {
    expect(program.length).toBeLessThan(4096);
    expect(encodeFilter(program).byteLength).toBe(program.length * 8);
  });
});

it("leaves out io_uring and what reaches the whole machine", () => {
  for (const name of ["io_uring_setup", "mount", "bpf", "unshare", "setns", "reboot", "init_module", "keyctl", "clock_settime"]) {
    expect(ALLOWED_CALLS).not.toContain(name);
  }
});
