// The Dockerfile language as far as it is served; everything else is refused by line and name, never skipped.
import { ImageError } from "../errors.ts";
import type { Command, Copy, Instruction } from "./instructions.ts";
import { type LogicalLine, lexDockerfile } from "./lex.ts";
import { parsePairs, parseUser, parseWorkdir } from "./values.ts";
import { splitWords } from "./words.ts";

export const SERVED_INSTRUCTIONS = [
  "FROM",
  "RUN",
  "COPY",
  "ADD",
  "ENV",
  "WORKDIR",
  "ARG",
  "CMD",
  "ENTRYPOINT",
  "SHELL",
  "USER",
  "LABEL",
  "EXPOSE",
] as const;

/** Steps of one file; each can be a layer, and an overlay mount takes only so many. */
const MAX_INSTRUCTIONS = 500;

/** Parses a Dockerfile of one stage. Throws ImageError "invalid" that names the line, the instruction and the rule. */
export function parseDockerfile(text: string): readonly Instruction[] {
  const instructions = lexDockerfile(text).map(parseInstruction);
  if (instructions.length > MAX_INSTRUCTIONS)
    throw new ImageError("invalid", `The Dockerfile has ${instructions.length} instructions; at most ${MAX_INSTRUCTIONS} are served.`);
  const first = instructions.find((instruction) => instruction.kind !== "arg");
  if (first === undefined) throw new ImageError("invalid", 'The Dockerfile has no FROM instruction. Begin with e.g. "FROM node:24-slim".');
  if (first.kind !== "from") throw invalid(first.line, first.text, "comes before FROM. Only ARG may.");
  const second = instructions.find((instruction) => instruction.kind === "from" && instruction !== first);
  if (second !== undefined)
    throw invalid(second.line, second.text, "begins a second stage. Multi-stage builds are not served yet; write one stage.");
  return instructions;
}

/** The error for one instruction. `what` goes on after its name. */
export function invalid(line: number, text: string, what: string): ImageError {
  const [head = ""] = text.split("\n", 1);
  const shown = head.length > 120 ? `${head.slice(0, 120)}…` : head;
  return new ImageError("invalid", `Line ${line} of the Dockerfile: "${shown}" ${what}`);
}

function parseInstruction(source: LogicalLine): Instruction {
  const text = `${source.keyword} ${source.rest}`.trim();
  const place = { line: source.line, text };
  const fail = (what: string): never => {
    throw invalid(source.line, text, what);
  };
  const needsValue = (): string => (source.rest === "" ? fail("has no argument.") : source.rest);
  const checked = <T>(parse: () => T): T => {
    try {
      return parse();
    } catch (error) {
      if (error instanceof RangeError) return fail(`cannot be read: ${error.message}.`);
      throw error;
    }
  };
  switch (source.keyword) {
    case "FROM": {
      if (needsValue().startsWith("--"))
        fail("has a flag. FROM is served without flags; images are always those of this machine's platform.");
      const words = source.rest.split(/\s+/);
      const named = words.length === 3 && words[1]?.toUpperCase() === "AS";
      if (words.length !== 1 && !named) fail('is not "FROM image" or "FROM image AS name".');
      return { ...place, kind: "from", image: words[0] ?? "" };
    }
    case "RUN":
      if (needsValue().startsWith("--")) fail("has a flag. RUN is served without flags (no --mount, --network or --security).");
      return { ...place, kind: "run", command: runCommand(source) };
    case "COPY":
    case "ADD":
      return checked(() => parseCopy(source, source.keyword as "COPY" | "ADD", text, fail));
    case "CMD":
    case "ENTRYPOINT":
      return { ...place, kind: source.keyword === "CMD" ? "cmd" : "entrypoint", command: parseCommand(source.rest) };
    case "SHELL": {
      const args = jsonWords(needsValue());
      if (args === undefined || args.length === 0) return fail('takes a JSON array, e.g. SHELL ["/bin/bash", "-c"].');
      return { ...place, kind: "shell", args };
    }
    case "ENV":
    case "LABEL":
      checked(() => parsePairs(needsValue(), () => "x"));
      return { ...place, kind: source.keyword === "ENV" ? "env" : "label", value: source.rest };
    case "WORKDIR":
      checked(() => parseWorkdir(needsValue(), undefined, () => "x"));
      return { ...place, kind: "workdir", value: source.rest };
    case "USER":
      checked(() => parseUser(needsValue(), () => "x"));
      return { ...place, kind: "user", value: source.rest };
    case "ARG":
      checked(() => splitWords(needsValue(), () => "x"));
      return { ...place, kind: "arg", value: source.rest };
    case "EXPOSE":
      checked(() => splitWords(needsValue(), () => "1"));
      return { ...place, kind: "expose", value: source.rest };
    default:
      return fail(`is not served. Served are ${SERVED_INSTRUCTIONS.join(", ")}.`);
  }
}

/** `RUN` with a lone here-document runs its body; otherwise the shell reads the here-documents itself. */
function runCommand(source: LogicalLine): Command {
  const [only] = source.heredocs;
  if (only === undefined) return parseCommand(source.rest);
  if (source.heredocs.length === 1 && /^<<-?["']?[A-Za-z_][A-Za-z0-9_]*["']?$/.test(source.rest))
    return { form: "shell", script: only.body };
  // Leading tabs were removed while reading, so `<<-` and `<<` mean the same here.
  const bodies = source.heredocs.map((heredoc) => `${heredoc.body}${heredoc.name}\n`);
  return { form: "shell", script: `${source.rest}\n${bodies.join("")}` };
}

function parseCommand(rest: string): Command {
  const args = jsonWords(rest);
  return args === undefined ? { form: "shell", script: rest } : { form: "exec", args };
}

/** The JSON form; undefined when the text is not an array of strings, which then is a shell command. */
function jsonWords(text: string): readonly string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

function parseCopy(source: LogicalLine, keyword: "COPY" | "ADD", text: string, fail: (what: string) => never): Copy {
  let rest = source.rest;
  const flags: { chmod?: string; chown?: string } = {};
  for (let flag = /^--([a-z-]+)(?:=(\S+))?\s*/.exec(rest); flag !== null; flag = /^--([a-z-]+)(?:=(\S+))?\s*/.exec(rest)) {
    const [whole, name = "", value = ""] = flag;
    if (name === "from") fail("copies from another image or stage. That is not served yet; COPY takes files of the build context.");
    if (name !== "chmod" && name !== "chown") fail(`has the flag --${name}. Served are --chmod and --chown.`);
    if (name === "chmod" && !/^[0-7]{3,4}$/.test(value) && !value.includes("$"))
      fail(`has --chmod=${value}; three or four octal digits are expected, e.g. --chmod=755.`);
    if (name === "chown" && value === "") fail("has --chown without a value, e.g. --chown=1000:1000.");
    flags[name as "chmod" | "chown"] = value;
    rest = rest.slice(whole.length);
  }
  const paths = jsonWords(rest) ?? rest;
  const words = typeof paths === "string" ? splitWords(paths, () => "x") : paths;
  if (words.length < 2) fail("needs at least one source and a destination.");
  const remote = words.slice(0, -1).find((word) => /^(https?|ftp|git):\/\//.test(word));
  if (remote !== undefined) fail(`fetches ${remote}. ADD takes files of the build context only; fetch in a RUN instruction.`);
  return { kind: "copy", keyword, line: source.line, text, paths, heredocs: source.heredocs, ...flags };
}
