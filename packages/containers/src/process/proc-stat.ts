// What /proc says about one process. Empty where there is no /proc (macOS).

import { readFile } from "node:fs/promises";

/** Fields of /proc/PID/stat after the command name, which may itself contain spaces and parentheses; the first is field 3. */
export function statFields(text: string): readonly string[] {
  return text
    .slice(text.lastIndexOf(")") + 2)
    .trim()
    .split(" ");
}

/** Ticks since boot at which it started: together with the pid unique. "" when it does not exist. */
export async function startTime(pid: number): Promise<string> {
  return statFields(await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ""))[19] ?? "";
}
