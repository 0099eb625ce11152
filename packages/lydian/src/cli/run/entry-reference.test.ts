import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../exit.ts";
import { parseEntryReference } from "./entry-reference.ts";

describe("FILE[::name]", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "ly-entry-"));
    writeFileSync(join(dir, "hello.ts"), "");
    writeFileSync(join(dir, "data.json"), "{}");
    mkdirSync(join(dir, "folder.ts"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const problem = (text: string): UsageError => {
    try {
      parseEntryReference(text, dir);
    } catch (error) {
      if (error instanceof UsageError) return error;
    }
    throw new Error(`${text} was accepted`);
  };

  it("takes a file", () => {
    expect(parseEntryReference("hello.ts", dir)).toEqual({ file: join(dir, "hello.ts"), name: undefined });
  });

  it("takes a file and a name", () => {
    expect(parseEntryReference("./hello.ts::main", dir)).toEqual({ file: join(dir, "hello.ts"), name: "main" });
  });

  it("guesses a forgotten ending", () => {
    expect(problem("hello").hint).toBe("Did you mean hello.ts?");
  });

  it("refuses what is not there, no file, no code, or no name, and says which", () => {
    expect(problem("missing.ts").message).toBe("there is no file missing.ts");
    expect(problem("folder.ts").message).toContain("is not a file");
    expect(problem("data.json").message).toContain("is not a TypeScript or JavaScript file");
    expect(problem("::main").message).toContain("names no file");
    expect(problem("hello.ts::").message).toContain("cannot be the name");
    expect(problem("hello.ts::a b").message).toContain('"a b"');
  });
});
