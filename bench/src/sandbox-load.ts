// Patterns of asking for sandboxes, as the public "time to interactive" benchmark has them: the time from asking for one until the first
// output of a command in it is there. Each sandbox is removed when it has been measured, outside of its time.
import { setTimeout as sleep } from "node:timers/promises";

/** Something that makes sandboxes. */
export interface SandboxTarget {
  readonly name: string;
  create(): Promise<string>;
  /** Resolves with the first output. */
  exec(id: string, command: readonly string[]): Promise<void>;
  remove(id: string): Promise<void>;
}

export const COMMAND = ["echo", "hello"] as const;

/** Milliseconds from asking for a sandbox to a command's first output, and its removal under way. */
async function interactive(target: SandboxTarget): Promise<{ readonly ms: number; readonly removed: Promise<void> }> {
  const start = performance.now();
  const id = await target.create();
  await target.exec(id, COMMAND);
  return { ms: performance.now() - start, removed: target.remove(id) };
}

/** One after the other; the next begins when the last is gone. */
export async function oneByOne(target: SandboxTarget, times: number, warmUp = 3): Promise<number[]> {
  const taken: number[] = [];
  for (let i = 0; i < warmUp + times; i++) {
    const { ms, removed } = await interactive(target);
    await removed;
    if (i >= warmUp) taken.push(ms);
  }
  return taken;
}

/** `times` of them, one asked for every `everyMs`, whether those before are there or not. 0: all at once. */
export async function staggered(target: SandboxTarget, times: number, everyMs: number): Promise<number[]> {
  const under: Promise<{ readonly ms: number; readonly removed: Promise<void> }>[] = [];
  for (let i = 0; i < times; i++) {
    under.push(interactive(target));
    if (everyMs > 0) await sleep(everyMs);
  }
  const measured = await Promise.all(under);
  await Promise.all(measured.map(({ removed }) => removed));
  return measured.map(({ ms }) => ms);
}
