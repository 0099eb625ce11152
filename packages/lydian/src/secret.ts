import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { InvalidError } from "./errors.ts";
import { showValue } from "./show-value.ts";

/** Variables by name; those that are undefined or null are left out. */
export type Variables = Readonly<Record<string, string | undefined | null>>;

/** Where a secret comes from, for whoever makes it on the server. */
export type SecretSource =
  | { readonly kind: "name"; readonly name: string; readonly requiredKeys: readonly string[] }
  /** Read when an app is started, and only there: inside a container the file, or the variable, need not be. */
  | { readonly kind: "variables"; readonly read: () => Record<string, string> };

const BRAND = Symbol.for("lydian.secret.v1");

/**
 * Environment variables that a function's containers see and nobody else: the server keeps them sealed and tells them to no client.
 *
 * @example
 * app.function({ secrets: [Secret.fromName("database", { requiredKeys: ["DATABASE_URL"] })] }, async () => query(process.env.DATABASE_URL));
 */
export class Secret {
  readonly [BRAND] = true;
  readonly source: SecretSource;

  private constructor(source: SecretSource) {
    this.source = source;
  }

  /** One that was made before (`lydian secret create`). An app that uses it does not start when it, or one of `requiredKeys`, is missing. */
  static fromName(name: string, options: { readonly requiredKeys?: readonly string[] } = {}): Secret {
    if (typeof name !== "string" || name === "") throw new InvalidError(`A secret's name is a string, not ${showValue(name)}.`);
    return new Secret({ kind: "name", name, requiredKeys: [...(options.requiredKeys ?? [])] });
  }

  /** These variables, for the life of the app. */
  static fromObject(variables: Variables): Secret {
    for (const [key, value] of Object.entries(variables)) {
      // Not the value itself: it may be what must not be shown.
      if (value !== undefined && value !== null && typeof value !== "string")
        throw new InvalidError(`The value of ${key} is of type ${typeof value}; variables of the environment are strings.`);
    }
    return new Secret({ kind: "variables", read: () => present(variables) });
  }

  /** The variables of a file with lines KEY=value, relative to the working directory. Default ".env". */
  static fromDotenv(path = ".env"): Secret {
    return new Secret({ kind: "variables", read: () => readDotenv(path) });
  }

  /** These variables of this machine's environment. An app that uses it does not start when one is not set. */
  static fromLocalEnv(keys: readonly string[]): Secret {
    return new Secret({ kind: "variables", read: () => readEnvironment(keys) });
  }

  /** Also of another copy of this package. */
  static is(value: unknown): value is Secret {
    return typeof value === "object" && value !== null && BRAND in value;
  }
}

/** The variables in a file with lines KEY=value. */
export function readDotenv(path: string): Record<string, string> {
  try {
    return present(parseEnv(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new InvalidError(`The file ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function readEnvironment(keys: readonly string[]): Record<string, string> {
  const absent = keys.filter((key) => process.env[key] === undefined);
  if (absent.length > 0)
    throw new InvalidError(`Not set in this environment: ${absent.join(", ")}.`, { hint: "Set them, or leave them out of the secret." });
  return present(Object.fromEntries(keys.map((key) => [key, process.env[key]])));
}

function present(variables: Variables): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])));
}
