// An input's id is its call's id and its index: nothing to draw, to store or to look up.
// "fc-" + 22 characters, index 35 → "in-" + the 22 characters + "z".

const CALL_CHARACTERS = 22;

export function inputId(callId: string, idx: number): string {
  return `in-${callId.slice(3)}${idx.toString(36)}`;
}

/** Undefined when the text is not an id of an input. */
export function parseInputId(id: string): { readonly callId: string; readonly idx: number } | undefined {
  const idx = Number.parseInt(id.slice(3 + CALL_CHARACTERS), 36);
  if (!id.startsWith("in-") || !Number.isSafeInteger(idx)) return undefined;
  return { callId: `fc-${id.slice(3, 3 + CALL_CHARACTERS)}`, idx };
}
