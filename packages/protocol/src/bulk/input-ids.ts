// An input is named by its call and its index: the id is the call's 22 characters and the index in base 62. So there is
// no index of ids to keep, a repeated request finds the same input, and the official runtime, which answers with input ids
// alone, is understood without a table.

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));
export const CALL_PREFIX = "fc-";
const PREFIX = "in-";
export const CALL_CHARACTERS = 22;
/** The wire's index is an int32. */
export const MAX_IDX = 2 ** 31 - 1;

export function inputId(callId: string, idx: number): string {
  let digits = "";
  let rest = idx;
  do {
    digits = ALPHABET.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  } while (rest > 0);
  return PREFIX + callId.slice(CALL_PREFIX.length) + digits;
}

/** Undefined when it is no input id. */
export function parseInputId(id: string): { readonly callId: string; readonly idx: number } | undefined {
  const digitsAt = PREFIX.length + CALL_CHARACTERS;
  if (!id.startsWith(PREFIX) || id.length <= digitsAt || id.length > digitsAt + 6) return undefined;
  let idx = 0;
  for (let at = digitsAt; at < id.length; at++) {
    const value = VALUES.get(id.charAt(at));
    if (value === undefined) return undefined;
    idx = idx * 62 + value;
  }
  if (idx > MAX_IDX) return undefined;
  return { callId: CALL_PREFIX + id.slice(PREFIX.length, digitsAt), idx };
}
