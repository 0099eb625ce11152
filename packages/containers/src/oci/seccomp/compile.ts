// Compiles the profile to the program that the kernel runs at each system call (classic BPF).
//
// Why ourselves: a runtime that compiles the profile with libseccomp needs 50 ms of it at every start; a compiled one
// costs nothing. The list of allowed numbers becomes a binary search over ranges.

import { CALL_NUMBERS } from "./numbers.ts";
import { ALLOWED_CALLS, ALLOWED_PERSONALITIES, NAMESPACE_FLAGS, REFUSED_FAMILIES } from "./profile.ts";

export interface Instruction {
  readonly code: number;
  /** Instructions to skip when the comparison holds. */
  readonly jt: number;
  /** … and when it does not. */
  readonly jf: number;
  readonly k: number;
}

const LOAD = 0x20; // ld [k]
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

// struct seccomp_data
const NUMBER_OFFSET = 0;
const ARCH_OFFSET = 4;
const ARG0_LOW_OFFSET = 16;

export const VERDICT = {
  allow: 0x7fff_0000,
  kill: 0x8000_0000,
  /** EPERM: a call that exists and is refused. */
  refuse: 0x0005_0001,
  /** ENOSYS: callers fall back to an older call. */
  unknown: 0x0005_0026,
} as const;

const ARCH_ID = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;

const load = (offset: number): Instruction => ({ code: LOAD, jt: 0, jf: 0, k: offset });
const answer = (verdict: number): Instruction => ({ code: RETURN, jt: 0, jf: 0, k: verdict });
const jump = (code: number, k: number, jt: number, jf: number): Instruction => {
  if (jt > 255 || jf > 255) throw new RangeError(`A jump over ${Math.max(jt, jf)} instructions does not fit the filter.`);
  return { code, jt, jf, k };
};

/** Runs `body` when the loaded word equals `k`; `body` must end in an answer. */
const whenEqual = (k: number, body: readonly Instruction[]) => [jump(JUMP_EQUAL, k, 0, body.length), ...body];

interface Boundary {
  readonly from: number;
  readonly verdict: number;
}

/** Where the verdict changes, ascending, beginning at 0. */
function boundaries(allowed: readonly number[], highest: number): readonly Boundary[] {
  const result: Boundary[] = [];
  const add = (from: number, verdict: number) => {
    const last = result.at(-1);
    if (last?.from === from) result.pop();
    if (result.at(-1)?.verdict !== verdict) result.push({ from, verdict });
  };
  add(0, VERDICT.refuse);
  for (const number of [...new Set(allowed)].sort((a, b) => a - b)) {
    add(number, VERDICT.allow);
    add(number + 1, VERDICT.refuse);
  }
  add(highest + 1, VERDICT.unknown);
  return result;
}

function search(list: readonly Boundary[]): Instruction[] {
  const [only] = list;
  if (only === undefined) return [];
  if (list.length === 1) return [answer(only.verdict)];
  const middle = list.length >> 1;
  const below = search(list.slice(0, middle));
  const above = search(list.slice(middle));
  return [jump(JUMP_AT_LEAST, list[middle]?.from ?? 0, below.length, 0), ...below, ...above];
}

/** The filter for one architecture. */
export function compileFilter(arch: "x64" | "arm64"): readonly Instruction[] {
  const numbers = CALL_NUMBERS[arch];
  const numberOf = (name: string) => {
    const number = numbers.get(name);
    if (number === undefined) throw new Error(`The system call ${name} has no number on ${arch}.`);
    return number;
  };
  const allowed = ALLOWED_CALLS.map((name) => numbers.get(name)).filter((number) => number !== undefined);
  const refused = [answer(VERDICT.refuse)];
  return [
    load(ARCH_OFFSET),
    jump(JUMP_EQUAL, ARCH_ID[arch], 1, 0),
    answer(VERDICT.kill),
    load(NUMBER_OFFSET),
    ...whenEqual(numberOf("clone"), [
      load(ARG0_LOW_OFFSET),
      jump(JUMP_ANY_BIT, NAMESPACE_FLAGS, 0, 1),
      answer(VERDICT.refuse),
      answer(VERDICT.allow),
    ]),
    ...whenEqual(numberOf("clone3"), [answer(VERDICT.unknown)]),
    ...whenEqual(numberOf("socket"), [
      load(ARG0_LOW_OFFSET),
      ...REFUSED_FAMILIES.flatMap((family) => whenEqual(family, refused)),
      answer(VERDICT.allow),
    ]),
    ...whenEqual(numberOf("personality"), [
      load(ARG0_LOW_OFFSET),
      ...ALLOWED_PERSONALITIES.flatMap((domain) => whenEqual(domain, [answer(VERDICT.allow)])),
      answer(VERDICT.refuse),
    ]),
    ...search(boundaries(allowed, Math.max(...numbers.values()))),
  ];
}

/** As the kernel's array of `struct sock_filter` on a little-endian machine. */
export function encodeFilter(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach((instruction, index) => {
    bytes.writeUInt16LE(instruction.code, index * 8);
    bytes.writeUInt8(instruction.jt, index * 8 + 2);
    bytes.writeUInt8(instruction.jf, index * 8 + 3);
    bytes.writeUInt32LE(instruction.k, index * 8 + 4);
  });
  return bytes;
}
