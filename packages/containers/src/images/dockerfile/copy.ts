// COPY and ADD: flags, then sources and a destination.
import type { Copy } from "./instructions.ts";
import { jsonWords } from "./json-words.ts";
import type { LogicalLine } from "./lex.ts";
import { splitWords } from "./words.ts";

const FLAG = /^--([a-z-]+)(?:=(\S+))?\s*/;
/** Flags without a value. Layers are independent of each other in any case, which is all that --link asks for. */
const SWITCHES = new Set(["link", "parents"]);

/** Throws RangeError, or what `fail` throws. */
export function parseCopy(source: LogicalLine, keyword: "COPY" | "ADD", text: string, fail: (what: string) => never): Copy {
  let rest = source.rest;
  const flags: { chmod?: string; chown?: string; from?: string; parents?: true } = {};
  const exclude: string[] = [];
  for (let flag = FLAG.exec(rest); flag !== null; flag = FLAG.exec(rest)) {
    const [whole, name = "", value = ""] = flag;
    rest = rest.slice(whole.length);
    if (SWITCHES.has(name)) {
      if (value !== "" && value !== "true" && value !== "false") fail(`has --${name}=${value}; true or false is expected.`);
      if (name === "parents" && keyword === "ADD") fail("has the flag --parents, which only COPY has.");
      if (name === "parents" && value !== "false") flags.parents = true;
      continue;
    }
    if (name === "exclude") {
      if (value === "") fail("has --exclude without a pattern, e.g. --exclude=*.md.");
      exclude.push(value);
      continue;
    }
    if (name !== "chmod" && name !== "chown" && !(name === "from" && keyword === "COPY"))
      fail(`has the flag --${name}. Served are --chmod, --chown, --exclude, --link${keyword === "COPY" ? ", --from and --parents" : ""}.`);
    if (name === "chmod" && !/^[0-7]{3,4}$/.test(value) && !value.includes("$"))
      fail(`has --chmod=${value}; three or four octal digits are expected, e.g. --chmod=755.`);
    if (name !== "chmod" && value === "")
      fail(`has --${name} without a value, e.g. ${name === "chown" ? "--chown=1000:1000" : "--from=builder"}.`);
    flags[name as "chmod" | "chown" | "from"] = value;
  }
  if (flags.parents && flags.from !== undefined) fail("has --parents and --from. --parents is served for files of the build context.");
  const paths = jsonWords(rest) ?? rest;
  const words = typeof paths === "string" ? splitWords(paths, () => "x") : paths;
  if (words.length < 2) fail("needs at least one source and a destination.");
  const remote = words.slice(0, -1).find((word) => /^((https?|ftp|git):\/\/|git@)/.test(word));
  if (remote !== undefined) fail(`fetches ${remote}. ADD takes files of the build context only; fetch in a RUN instruction.`);
  return { kind: "copy", keyword, line: source.line, text, paths, heredocs: source.heredocs, exclude, ...flags };
}
