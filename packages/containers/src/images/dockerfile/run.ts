// RUN: flags, then a command or a here-document.
import { parseCommand } from "./command.ts";
import type { Command, Run } from "./instructions.ts";
import type { LogicalLine } from "./lex.ts";
import { parseMount, type RunMount } from "./mounts.ts";

const FLAG = /^--([a-z-]+)(?:=(\S+))?\s*/;

/** Throws RangeError, or what `fail` throws. */
export function parseRun(source: LogicalLine, place: { line: number; text: string }, fail: (what: string) => never): Run {
  let { rest } = source;
  const mounts: RunMount[] = [];
  for (let flag = FLAG.exec(rest); flag !== null; flag = FLAG.exec(rest)) {
    const [whole, name = "", value = ""] = flag;
    rest = rest.slice(whole.length);
    if (name === "mount") mounts.push(parseMount(value));
    else if (name !== "network" || value !== "default") fail(`has the flag --${name}${value && `=${value}`}. Served is --mount.`);
  }
  if (rest === "") fail("has no command.");
  return { ...place, kind: "run", mounts, command: runCommand({ ...source, rest }) };
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
