import { UsageError } from "../exit.ts";

/** KEY=VALUE words as an object. `what` names the flag in the error. */
export function pairs(words: readonly string[] = [], what: string): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      if (at < 1) throw new UsageError(`${what} takes KEY=VALUE, not "${word}"`);
      return [word.slice(0, at), word.slice(at + 1)] as const;
    }),
  );
}
