// Arguments of the instructions that change the configuration. All throw RangeError with a reason.
import { posix } from "node:path";
import { expandValue, type Lookup, splitWords } from "./words.ts";

/** `NAME=value …` or the old form `NAME value`. */
export function parsePairs(text: string, lookup: Lookup): ReadonlyMap<string, string> {
  const [head = ""] = /^\S*/.exec(text) ?? [];
  if (!head.includes("=")) {
    const value = text.slice(head.length).trim();
    if (value === "") throw new RangeError(`"${head}" has no value; NAME=value is expected`);
    return new Map([[checkName(head), expandValue(value, lookup)]]);
  }
  const pairs = new Map<string, string>();
  for (const word of splitWords(text, lookup)) {
    const at = word.indexOf("=");
    if (at < 0) throw new RangeError(`"${word}" has no value; NAME=value is expected`);
    pairs.set(checkName(word.slice(0, at)), word.slice(at + 1));
  }
  return pairs;
}

function checkName(name: string): string {
  if (name === "" || /[\s\0]/.test(name)) throw new RangeError(`"${name}" cannot be a name`);
  return name;
}

/** The new working directory, absolute and normalised. */
export function parseWorkdir(text: string, current: string | undefined, lookup: Lookup): string {
  const value = expandValue(text, lookup);
  if (value === "" || value.includes("\0")) throw new RangeError("the directory is empty");
  const path = posix.resolve(current ?? "/", value);
  return path;
}

/** `user` or `user:group`, each a name or a number. */
export function parseUser(text: string, lookup: Lookup): string {
  const value = expandValue(text, lookup);
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/.test(value)) {
    throw new RangeError(`"${value}" is not a user: a name or number is expected, with a group after ":" if wanted`);
  }
  return value;
}

/** `NAME` or `NAME=default`. */
export function parseArgs(text: string, lookup: Lookup): ReadonlyMap<string, string | undefined> {
  const args = new Map<string, string | undefined>();
  for (const word of splitWords(text, lookup)) {
    const at = word.indexOf("=");
    const name = at < 0 ? word : word.slice(0, at);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new RangeError(`"${name}" cannot be the name of an argument`);
    args.set(name, at < 0 ? undefined : word.slice(at + 1));
  }
  return args;
}

/** `80`, `80/tcp`, `8000-8010/udp`. */
export function parsePorts(text: string, lookup: Lookup): readonly string[] {
  return splitWords(text, lookup).map((word) => {
    const [, from = "", to, protocol = "tcp"] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(word) ?? [];
    if (from === "" || Number(from) > 65_535 || Number(to ?? from) > 65_535) throw new RangeError(`"${word}" is not a port`);
    return `${from}${to === undefined ? "" : `-${to}`}/${protocol}`;
  });
}
