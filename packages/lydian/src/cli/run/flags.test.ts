import { describe, expect, it } from "vitest";
import { z } from "zod";
import { UsageError } from "../exit.ts";
import { HelpRequested, parseFlags, parsePositionals } from "./flags.ts";
import { flagsHelp } from "./flags-help.ts";

const schema = z.object({
  count: z.number().int().min(1).default(10).describe("how many"),
  maxSize: z.number().optional(),
  mode: z.enum(["fast", "slow"]).default("fast"),
  verbose: z.boolean().default(false),
  tag: z.array(z.string()).default([]),
  extra: z.record(z.string(), z.number()).optional(),
  file: z.string().optional(),
});

const parse = async (...words: string[]) => (await parseFlags(words, { schema, positionals: ["file"], short: { verbose: "v" } })).value;

async function problem(...words: string[]): Promise<UsageError> {
  try {
    await parse(...words);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("flags of a schema", () => {
  it("fills in the defaults of the schema", async () => {
    expect(await parse()).toEqual({ count: 10, mode: "fast", verbose: false, tag: [] });
  });

  it("keeps what a caller would write apart from what the schema makes of it", async () => {
    expect((await parseFlags(["--count", "2"], { schema })).input).toEqual({ count: 2 });
  });

  it("reads numbers, choices, booleans, lists, JSON and positionals", async () => {
    const value = await parse(
      "--count=3",
      "--max-size",
      "-1.5",
      "--mode",
      "slow",
      "-v",
      "--tag",
      "a",
      "--tag",
      "b",
      "--extra",
      '{"n":1}',
      "x.txt",
    );
    expect(value).toEqual({ count: 3, maxSize: -1.5, mode: "slow", verbose: true, tag: ["a", "b"], extra: { n: 1 }, file: "x.txt" });
  });

  it("turns a boolean off with --no-", async () => {
    expect(await parse("--no-verbose")).toMatchObject({ verbose: false });
    expect(await parse("--verbose=true")).toMatchObject({ verbose: true });
  });

  it("takes everything after -- as positional", async () => {
    expect(await parse("--", "--count")).toMatchObject({ file: "--count" });
  });

  it("refuses with one line that names flag, value and rule", async () => {
    expect((await problem("--cuont", "3")).hint).toBe("Did you mean --count?");
    expect((await problem("--count", "many")).message).toBe('--count needs a number, not "many"');
    expect((await problem("--count", "0")).message).toContain("--count: ");
    expect((await problem("--count")).message).toBe("--count needs a value");
    expect((await problem("--mode", "middling")).message).toBe('--mode is one of fast, slow, not "middling"');
    expect((await problem("--extra", "{")).message).toContain("needs a JSON value");
    expect((await problem("a", "b")).message).toBe('unexpected argument "b"');
    expect((await problem("--file", "a", "--file", "b")).message).toBe("--file is given twice");
    expect((await problem("--no-count")).message).toBe("unknown flag --no-count");
  });

  it("asks for help", async () => {
    await expect(parse("--help")).rejects.toBeInstanceOf(HelpRequested);
    await expect(parse("-h")).rejects.toBeInstanceOf(HelpRequested);
  });

  it("describes itself", () => {
    const text = flagsHelp({ reference: "hello.ts", schema, positionals: ["file"], short: { verbose: "v" } });
    expect(text).toContain("Usage: lydian run hello.ts [file] [flags]");
    expect(text).toMatch(/--count <number>\s+how many \(default 10\)/);
    expect(text).toContain("-v, --verbose");
    expect(text).toContain("--mode <fast|slow>");
  });
});

describe("arguments of a function without a schema", () => {
  it("reads JSON, or text where it is none", () => {
    expect(parsePositionals(["7", "true", '{"a":[1]}', "hello", "-3"])).toEqual([7, true, { a: [1] }, "hello", -3]);
  });

  it("refuses flags, which nobody would see", () => {
    expect(() => parsePositionals(["--count", "3"])).toThrow("unknown flag --count");
    expect(parsePositionals(["--", "--count"])).toEqual(["--count"]);
  });
});
