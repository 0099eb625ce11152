import type { Command } from "./instructions.ts";
import { jsonWords } from "./json-words.ts";

/** The JSON form, else a text for a shell. */
export function parseCommand(rest: string): Command {
  const args = jsonWords(rest);
  return args === undefined ? { form: "shell", script: rest } : { form: "exec", args };
}
