// Object ids: a kind of two letters (mostly), one dash, 22 base-62 characters. The official clients split on the dash and take an
// app argument for an id only in this shape. The first eight characters are the time, so that ids sort by creation
// and inserts go to the end of an index; the other fourteen are random (83 bits).
import { randomBytes } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TIME_CHARACTERS = 8;
const RANDOM_CHARACTERS = 14;

/** ac workspace, ak token, ap app, bl blob, cs class, ctr further container of a sandbox, de definition, en environment, fc function call, fu function, im image, in input, mo mount, sb sandbox, st secret, ta container. */
export type IdKind = "ac" | "ak" | "ap" | "bl" | "cs" | "ctr" | "de" | "en" | "fc" | "fu" | "im" | "in" | "mo" | "sb" | "st" | "ta";

export function newId(kind: IdKind, now: number = Date.now()): string {
  let time = "";
  for (let rest = now; time.length < TIME_CHARACTERS; rest = Math.floor(rest / 62)) time = ALPHABET.charAt(rest % 62) + time;
  let random = "";
  while (random.length < RANDOM_CHARACTERS) {
    const character = randomCharacter();
    // Clients take a container id that ends in V for one of another generation of the service.
    if (random.length === RANDOM_CHARACTERS - 1 && character === "V") continue;
    random += character;
  }
  return `${kind}-${time}${random}`;
}

/**
 * Of a sandbox and its container. Clients tell the generation of a sandbox by the shape of its id: 22 characters mean the first, and
 * what they do then differs. Containers of the second generation end in V.
 */
export function newSandboxIds(generation: 1 | 2, now: number = Date.now()): { readonly sandboxId: string; readonly taskId: string } {
  const [sandboxId, taskId] = [newId("sb", now), newId("ta", now)];
  return generation === 1 ? { sandboxId, taskId } : { sandboxId: `${sandboxId}0000`, taskId: `${taskId.slice(0, -1)}V` };
}

/** Whether `id` has the shape of an id of this kind; says nothing about its existence. */
export function isId(kind: IdKind, id: string): boolean {
  return id.startsWith(`${kind}-`) && /^[0-9A-Za-z]{22}$/.test(id.slice(kind.length + 1));
}

// One system call per some hundred ids.
let pool = Buffer.alloc(0);
let used = 0;

function randomCharacter(): string {
  for (;;) {
    if (used === pool.length) {
      pool = randomBytes(4096);
      used = 0;
    }
    const byte = pool.readUInt8(used++);
    // 248 is the largest multiple of 62 in a byte: above it, characters would not be equally likely.
    if (byte < 248) return ALPHABET.charAt(byte % 62);
  }
}
