import { readFileSync } from "node:fs";
import { readDotenv } from "../../secret.ts";
import { createSecret } from "../../secrets/named.ts";
import type { CommonOptions } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { UsageError } from "../exit.ts";

export interface CreateOptions extends CommonOptions {
  readonly fromDotenv?: string;
  readonly fromJson?: string;
  readonly force?: boolean;
}

export async function create(name: string, words: readonly string[], options: CreateOptions): Promise<void> {
  const variables = {
    ...(options.fromDotenv === undefined ? {} : readDotenv(options.fromDotenv)),
    ...(options.fromJson === undefined ? {} : readJson(options.fromJson)),
    ...Object.fromEntries(words.map(pair)),
  };
  if (Object.keys(variables).length === 0)
    throw new UsageError("a secret needs at least one variable", "lydian secret create NAME KEY=VALUE, or --from-dotenv FILE");
  await withServer(options, (client) => createSecret(client, name, variables, { existing: options.force ? "replace" : "refuse" }));
  process.stdout.write(`${name} has ${Object.keys(variables).sort().join(", ")}\n`);
}

/** A message never repeats the word: it may be a value. */
function pair(word: string): [string, string] {
  const at = word.indexOf("=");
  if (at <= 0) throw new UsageError("variables are given as KEY=VALUE", 'e.g. lydian secret create database DATABASE_URL="$DATABASE_URL"');
  return [word.slice(0, at), word.slice(at + 1)];
}

function readJson(path: string): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    // What JSON.parse says repeats a part of the text.
    const why = (error as NodeJS.ErrnoException).code === undefined ? "it is not valid JSON" : (error as Error).message;
    throw new UsageError(`${path} cannot be read: ${why}`);
  }
  const isFlat = typeof value === "object" && value !== null && Object.values(value).every((each) => typeof each === "string");
  if (!isFlat) throw new UsageError(`${path} must hold one object whose values are strings`);
  return value as Record<string, string>;
}
