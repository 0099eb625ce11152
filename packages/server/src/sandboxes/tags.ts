import { LydianError, type SandboxTag } from "@lydian/protocol";

const MAX_TAGS = 64;
const MAX_CHARACTERS = 256;

/** Throws `invalid_argument` for tags beyond the bounds. Of one name the last counts. */
export function tagsOf(tags: readonly SandboxTag[]): Record<string, string> {
  if (tags.length > MAX_TAGS) throw new LydianError("invalid_argument", `There are ${tags.length} tags; a sandbox may have ${MAX_TAGS}.`);
  for (const { tagName, tagValue } of tags) {
    if (tagName !== "" && tagName.length <= MAX_CHARACTERS && tagValue.length <= MAX_CHARACTERS) continue;
    const shown = JSON.stringify(tagName.slice(0, 50));
    throw new LydianError(
      "invalid_argument",
      `The tag ${shown} is not possible: names have 1 to ${MAX_CHARACTERS} characters, values at most that many.`,
    );
  }
  return Object.fromEntries(tags.map(({ tagName, tagValue }) => [tagName, tagValue]));
}

export function tagsToWire(tags: Readonly<Record<string, string>>): { tagName: string; tagValue: string }[] {
  return Object.entries(tags).map(([tagName, tagValue]) => ({ tagName, tagValue }));
}
