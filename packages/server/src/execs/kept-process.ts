// What is remembered about a process that outlives the server: a note that stays with it in the container while it runs, and a file
// with its end, beside those with its output, from the moment at which the container may forget it.
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Exit } from "@lydian/containers";
import { z } from "zod";

const noteSchema = z.object({
  /** Names its files. */
  name: z.string().min(1).max(200),
  keepsStdout: z.boolean(),
  stderr: z.enum(["drop", "keep", "stdout"]),
  isTerminal: z.boolean(),
  /** Milliseconds since the epoch. 0: none. */
  deadlineAt: z.number().min(0),
});
export type ProcessNote = z.output<typeof noteSchema>;

export const writeNote = (note: ProcessNote): string => JSON.stringify(note);

/** Undefined for what is none of ours: containers are not trusted. */
export function readNote(text: string): ProcessNote | undefined {
  try {
    const { success, data } = noteSchema.safeParse(JSON.parse(text));
    return success && FILE_NAME.test(data.name) ? data : undefined;
  } catch {
    return undefined;
  }
}

/** How a process ended, for readers of its output who come later. */
export interface ProcessEnd {
  readonly exit: Exit;
  readonly timedOut: boolean;
  readonly inputWritten: number;
}

const FILE_NAME = /^[A-Za-z0-9_.-]{1,140}$/;
const SUFFIX = ".end";

/** The file is there whole or not at all. */
export async function writeEnd(dir: string, name: string, end: ProcessEnd): Promise<void> {
  const path = join(dir, `${name}${SUFFIX}`);
  await writeFile(`${path}.new`, JSON.stringify(end), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export function removeEnd(dir: string, name: string): Promise<void> {
  return rm(join(dir, `${name}${SUFFIX}`), { force: true });
}

/** By name. */
export async function readEnds(dir: string): Promise<ReadonlyMap<string, ProcessEnd>> {
  const ends = new Map<string, ProcessEnd>();
  for (const file of await readdir(dir)) {
    if (file.endsWith(SUFFIX)) ends.set(file.slice(0, -SUFFIX.length), JSON.parse(await readFile(join(dir, file), "utf8")) as ProcessEnd);
  }
  return ends;
}
