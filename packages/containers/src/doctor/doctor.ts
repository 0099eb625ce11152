import type { Check } from "./check.ts";
import { judge } from "./checks.ts";
import { probeMachine } from "./probe.ts";

/** Looks whether this machine can run containers, and how safely. Changes nothing. `dir`: where data will be kept; default the working directory. */
export async function checkHost(dir: string = process.cwd()): Promise<Check[]> {
  return [...judge(await probeMachine(dir))];
}
