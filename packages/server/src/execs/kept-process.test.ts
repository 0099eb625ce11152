import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readEnds, readNote, removeEnd, writeEnd, writeNote } from "./kept-process.ts";

const dir = await mkdtemp(join(tmpdir(), "lydian-kept-"));
afterAll(() => rm(dir, { recursive: true, force: true }));

describe("what is remembered of a process", () => {
  const note = { name: "exec-a.b_c-1", keepsStdout: true, stderr: "stdout" as const, isTerminal: false, deadlineAt: 5 };

  it("comes back from its container as it went", () => {
    expect(readNote(writeNote(note))).toEqual(note);
  });

  it("is nothing when the container says something else", () => {
    for (const text of ["", "{", "null", "[]", "{}", JSON.stringify({ ...note, stderr: "x" }), JSON.stringify({ ...note, deadlineAt: -1 })])
      expect(readNote(text)).toBeUndefined();
    for (const name of ["", "../x", "a/b", "a\0", "x".repeat(141)]) expect(readNote(JSON.stringify({ ...note, name }))).toBeUndefined();
  });

  it("says how it ended, until that is dropped", async () => {
    const end = { exit: { code: 3, oomKilled: false }, timedOut: true, inputWritten: 7 };
    await writeEnd(dir, "exec-1", end);
    expect([...(await readEnds(dir))]).toEqual([["exec-1", end]]);
    await removeEnd(dir, "exec-1");
    expect((await readEnds(dir)).size).toBe(0);
  });
});
