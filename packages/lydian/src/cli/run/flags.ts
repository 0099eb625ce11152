// From words on the command line to the argument of an entrypoint or the arguments of a function.
//
// With a schema, each property is a flag (`--max-count 3`, `--verbose`, `--no-verbose`, a list by repeating) and the
// schema has the last word. Without one, words are positionals read as JSON, or as text where they are not JSON.
import { UsageError } from "../exit.ts";
import { flagName, type Property, propertiesOf, validate } from "./json-schema.ts";

export interface FlagsOptions {
  readonly schema?: unknown;
  /** Keys of the schema that may be given without their flag, in order. */
  readonly positionals?: readonly string[];
  /** One-letter names by key. */
  readonly short?: Readonly<Record<string, string>>;
}

/** Thrown for `--help`: the caller prints the help of the entrypoint. */
export class HelpRequested extends Error {
  override readonly name = "HelpRequested";
}

export interface ParsedFlags {
  /** As a caller of a function with this schema writes it. */
  readonly input: Readonly<Record<string, unknown>>;
  /** What the schema makes of it: defaults filled in, transforms done. */
  readonly value: unknown;
}

/** Reads the words and validates them. Throws UsageError with one line, or HelpRequested. */
export async function parseFlags(words: readonly string[], options: FlagsOptions): Promise<ParsedFlags> {
  const properties = propertiesOf(options.schema);
  if (!properties)
    throw new UsageError(
      "this schema cannot be turned into flags",
      "Flags need an object schema that offers JSON Schema (zod 4, arktype, valibot with its converter).",
    );
  const input = new FlagReader(properties, options).read(words);
  const result = await validate(options.schema, input);
  if ("problem" in result) throw new UsageError(result.problem, "--help shows the flags");
  return { input, value: result.value };
}

/** Arguments of a function without a schema. */
export function parsePositionals(words: readonly string[]): unknown[] {
  const literal = words.indexOf("--");
  const before = literal === -1 ? words : words.slice(0, literal);
  if (before.some((word) => word === "--help" || word === "-h")) throw new HelpRequested();
  const flag = before.find((word) => /^--?[a-z]/i.test(word));
  if (flag)
    throw new UsageError(
      `unknown flag ${flag}`,
      "This function has no input schema: its arguments are positional, read as JSON. After -- everything is an argument.",
    );
  const rest = literal === -1 ? [] : words.slice(literal + 1);
  return [...before, ...rest].map((word) => {
    try {
      return JSON.parse(word) as unknown;
    } catch {
      return word;
    }
  });
}

class FlagReader {
  readonly #byFlag = new Map<string, Property>();
  readonly #positionals: readonly Property[];
  readonly #values = new Map<string, unknown>();

  constructor(properties: readonly Property[], options: FlagsOptions) {
    const byKey = new Map(properties.map((property) => [property.key, property]));
    for (const property of properties) {
      this.#byFlag.set(flagName(property.key), property);
      const short = options.short?.[property.key];
      if (short) this.#byFlag.set(`-${short}`, property);
    }
    this.#positionals = (options.positionals ?? []).flatMap((key) => byKey.get(key) ?? []);
  }

  read(words: readonly string[]): Record<string, unknown> {
    const queue = [...words];
    const positionals: string[] = [];
    for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
      if (word === "--") positionals.push(...queue.splice(0));
      else if (word === "-" || !word.startsWith("-") || /^-[\d.]/.test(word)) positionals.push(word);
      else if (word === "--help" || (word === "-h" && !this.#byFlag.has("-h"))) throw new HelpRequested();
      else this.#flag(word, queue);
    }
    this.#assign(positionals);
    return Object.fromEntries(this.#values);
  }

  #flag(word: string, queue: string[]): void {
    const equals = word.indexOf("=");
    const name = equals === -1 ? word : word.slice(0, equals);
    let text = equals === -1 ? undefined : word.slice(equals + 1);
    const negated = name.startsWith("--no-") ? this.#byFlag.get(`--${name.slice(5)}`) : undefined;
    const property = this.#byFlag.get(name) ?? (negated?.kind === "boolean" ? negated : undefined);
    if (!property) throw new UsageError(`unknown flag ${name}`, this.#suggestion(name));
    if (property.kind === "boolean" && !property.list && text === undefined) {
      this.#values.set(property.key, property !== negated);
      return;
    }
    if (text === undefined) {
      text = queue.shift();
      if (text === undefined) throw new UsageError(`${name} needs a value`, "--help shows the flags");
    }
    this.#set(property, text, name);
  }

  #assign(words: readonly string[]): void {
    for (const [index, word] of words.entries()) {
      const last = this.#positionals.at(-1);
      const property = this.#positionals[index] ?? (last?.list ? last : undefined);
      if (!property) throw new UsageError(`unexpected argument "${word}"`, "--help shows the flags");
      this.#set(property, word, property.key);
    }
  }

  #set(property: Property, text: string, shown: string): void {
    const value = convert(property, text, shown);
    if (property.list) this.#values.set(property.key, [...((this.#values.get(property.key) as unknown[] | undefined) ?? []), value]);
    else if (this.#values.has(property.key)) throw new UsageError(`${shown} is given twice`);
    else this.#values.set(property.key, value);
  }

  #suggestion(name: string): string {
    const near = [...this.#byFlag.keys()].find((flag) => flag.startsWith(name) || name.startsWith(flag) || letters(flag) === letters(name));
    return near ? `Did you mean ${near}?` : "--help shows the flags";
  }
}

const letters = (flag: string) => [...flag.replaceAll("-", "").toLowerCase()].sort().join("");

function convert(property: Property, text: string, shown: string): unknown {
  switch (property.kind) {
    case "number": {
      const number = Number(text);
      if (text.trim() === "" || Number.isNaN(number)) throw new UsageError(`${shown} needs a number, not "${text}"`);
      return number;
    }
    case "boolean":
      if (text === "true" || text === "false") return text === "true";
      throw new UsageError(`${shown} is true or false, not "${text}"`);
    case "json":
      try {
        return JSON.parse(text) as unknown;
      } catch {
        throw new UsageError(`${shown} needs a JSON value, not "${text}"`);
      }
    default:
      if (property.choices && !property.choices.includes(text)) {
        throw new UsageError(`${shown} is one of ${property.choices.join(", ")}, not "${text}"`);
      }
      return text;
  }
}
