// The Dockerfile language as far as it is served; everything else is refused by line and name, never skipped.
import { ImageError } from "../errors.ts";
import { parseCommand } from "./command.ts";
import { parseCopy } from "./copy.ts";
import type { Instruction } from "./instructions.ts";
import { jsonWords } from "./json-words.ts";
import { type LogicalLine, lexDockerfile } from "./lex.ts";
import { parseRun } from "./run.ts";
import { neededStages } from "./stages.ts";
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

/** Accepted and left out: official images' Dockerfiles have them. */
const IGNORED: Readonly<Record<string, string>> = {
  HEALTHCHECK: "containers are watched by the server",
  STOPSIGNAL: "containers are ended with SIGINT",
  VOLUME: "volumes are given to functions",
  MAINTAINER: "it names nobody that a container asks for",
  ONBUILD: "images are built from their own Dockerfile only",
};

/** Steps of one file; each can be a layer, and an overlay mount takes only so many. */
const MAX_INSTRUCTIONS = 500;

/** Parses a Dockerfile. Throws ImageError "invalid" that names the line, the instruction and the rule. */
export function parseDockerfile(text: string): readonly Instruction[] {
  const instructions = lexDockerfile(text).map(parseInstruction);
  if (instructions.length > MAX_INSTRUCTIONS)
    throw new ImageError("invalid", `The Dockerfile has ${instructions.length} instructions; at most ${MAX_INSTRUCTIONS} are served.`);
  const first = instructions.find((instruction) => instruction.kind !== "arg");
  if (first === undefined) throw new ImageError("invalid", 'The Dockerfile has no FROM instruction. Begin with e.g. "FROM node:24-slim".');
  if (first.kind !== "from") throw invalid(first.line, first.text, "comes before FROM. Only ARG may.");
  neededStages(instructions); // Throws for a stage that is none.
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
      needsValue();
      const words = source.rest.split(/\s+/);
      while (words[0]?.startsWith("--")) checkPlatform(words.shift() ?? "", fail);
      const named = words.length === 3 && words[1]?.toUpperCase() === "AS";
      if (words.length !== 1 && !named) fail('is not "FROM image" or "FROM image AS name".');
      return { ...place, kind: "from", image: words[0] ?? "", ...(named ? { as: (words[2] ?? "").toLowerCase() } : {}) };
    }
    case "RUN":
      needsValue();
      return checked(() => parseRun(source, place, fail));
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
      if (IGNORED[source.keyword] !== undefined) return { ...place, kind: "ignored", reason: IGNORED[source.keyword] ?? "" };
      return fail(`is not served. Served are ${SERVED_INSTRUCTIONS.join(", ")}.`);
  }
}

/** Images are always those of this machine's platform; a flag that names another would not do what it says. */
function checkPlatform(flag: string, fail: (what: string) => never): void {
  const [, platform] = /^--platform=(\S+)$/.exec(flag) ?? [];
  if (platform === undefined) fail(`has the flag ${flag}. FROM takes --platform only.`);
  const [, architecture] = /^linux\/(amd64|arm64)(?:\/v8)?$/.exec(platform ?? "") ?? [];
  if (!platform?.includes("$") && architecture !== (process.arch === "x64" ? "amd64" : process.arch))
    fail(
      `asks for the platform ${platform}. Images are built for this machine's own (linux/${process.arch === "x64" ? "amd64" : process.arch}).`,
    );
}
