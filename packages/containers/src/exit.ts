// Reads how a process ended.

import { constants } from "node:os";
import type { Exit } from "./host.ts";
import type { ProcessExit } from "./launcher/launcher.ts";

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
// These numbers have two names each; the second is the historical one.
SIGNAL_NAMES.set(6, "SIGABRT");
SIGNAL_NAMES.set(29, "SIGIO");

/** A signal as runtimes and shells report it (128 + n) is read as that signal. */
export function readExit(exit: ProcessExit, oomKilled: boolean): Exit {
  const { code } = exit;
  if (code === undefined) return { signal: exit.signal ?? "SIGKILL", oomKilled };
  const signal = code > 128 && code < 160 ? SIGNAL_NAMES.get(code - 128) : undefined;
  return signal === undefined ? { code, oomKilled } : { signal, oomKilled };
}

/** An exit that the kernel itself told: a code above 128 is only a code. */
export function readProcessExit(signaled: boolean, number: number): Exit {
  if (!signaled) return { code: number, oomKilled: false };
  return { signal: SIGNAL_NAMES.get(number) ?? `SIGRTMIN+${number - 34}`, oomKilled: false };
}
