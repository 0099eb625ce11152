import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { InvalidError } from "./errors.ts";
import { showValue } from "./show-value.ts";

/** Variables by name; those that are undefined or null are left out. */
export type Variables = Readonly<Record<string, string | undefined | null>>;

/** Where a secret comes from, for whoever makes it on the server. */
export type SecretSource =
  | {
      readonly kind: "name";
      readonly name: string;
      readonly requiredKeys: readonly string[];
      /** Undefined: that of the app. */
      readonly environment: string | undefined;
    }
  /** Read when an app is started, and only there: inside a container the file, or the variable, need not be. */
  | { readonly kind: "variables"; readonly read: () => Record<string, string> };

/** What may be told of a secret: never a value. */
export interface SecretInfo {
  readonly name: string;
  /** Names of its variables, sorted. */
  readonly keys: readonly string[];
  readonly environment: string;
  readonly createdAt: Date;
  /** When a container was given it last; undefined: never. */
  readonly lastUsedAt: Date | undefined;
}

interface InEnvironment {
  /** Default: that of the running app, else of this process. */
  readonly environment?: string | undefined;
}

export interface CreateSecretOptions extends InEnvironment {
  /** What becomes of one that has the name already: it is kept as it is, its variables become exactly the new ones, or the call fails. Default "refuse". */
  readonly existing?: "keep" | "replace" | "refuse";
}

export interface ListSecretsOptions extends InEnvironment {
  /** How many at most. Default: all. */
  readonly limit?: number | undefined;
  readonly createdBefore?: Date | undefined;
}

export interface DeleteSecretOptions extends InEnvironment {
  /** No error when there is none. Default false. */
  readonly allowMissing?: boolean | undefined;
}

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
  static fromName(
    name: string,
    { requiredKeys = [], environment }: { readonly requiredKeys?: readonly string[]; readonly environment?: string } = {},
  ): Secret {
    if (typeof name !== "string" || name === "") throw new InvalidError(`A secret's name is a string, not ${showValue(name)}.`);
    return new Secret({ kind: "name", name, requiredKeys: [...requiredKeys], environment });
  }

  /** These variables, for the life of the app. */
  static fromObject(variables: Variables): Secret {
    checkStrings(variables);
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

  /**
   * Secrets with names, as `lydian secret` manages them. Not for code in containers, which are refused.
   *
   * @example
   * await Secret.objects.create("database", { DATABASE_URL: url }, { existing: "replace" });
   */
  static readonly objects = {
    /** Throws when there is one of this name, unless `existing` says what becomes of it. */
    async create(name: string, variables: Variables, options: CreateSecretOptions = {}): Promise<void> {
      checkStrings(variables);
      const { currentClient, createSecret } = await network();
      await createSecret(currentClient(), name, present(variables), options);
    },

    /** Newest first. */
    async list(options: ListSecretsOptions = {}): Promise<SecretInfo[]> {
      const { currentClient, listSecrets } = await network();
      return listSecrets(currentClient(), options);
    },

    /** Throws NotFoundError when there is none, unless it may be missing. Containers that run keep what they were given. */
    async delete(name: string, options: DeleteSecretOptions = {}): Promise<void> {
      const { currentClient, deleteSecret } = await network();
      await deleteSecret(currentClient(), name, options);
    },
  };

  /** Undefined for one without a name. */
  get name(): string | undefined {
    return this.source.kind === "name" ? this.source.name : undefined;
  }

  /** Sets these variables and leaves the others; `null` removes one, `undefined` leaves it. The next container gets them. Only for a secret with a name. */
  async update(variables: Variables): Promise<void> {
    const { name, environment } = this.#named("updated");
    checkStrings(variables);
    const changes = Object.entries(variables).flatMap(([key, value]) => (value === undefined ? [] : [[key, value ?? undefined] as const]));
    const { currentClient, updateSecret } = await network();
    await updateSecret(currentClient(), name, Object.fromEntries(changes), environment);
  }

  /** What the server tells of it now. Only for a secret with a name. */
  async info(): Promise<SecretInfo> {
    const { name, environment } = this.#named("looked up");
    const { currentClient, secretInfo } = await network();
    return secretInfo(currentClient(), name, environment);
  }

  #named(what: string) {
    if (this.source.kind === "name") return this.source;
    throw new InvalidError(`A secret without a name belongs to its app and cannot be ${what}.`, { hint: "Use Secret.fromName." });
  }

  /** Also of another copy of this package. */
  static is(value: unknown): value is Secret {
    return typeof value === "object" && value !== null && BRAND in value;
  }
}

/** Throws InvalidError unless it is a list of secrets. */
export function checkSecrets(secrets: unknown): void {
  if (Array.isArray(secrets) && secrets.every(Secret.is)) return;
  throw new InvalidError('`secrets` must be a list of Secrets, e.g. [Secret.fromName("database")].');
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

function checkStrings(variables: Variables): void {
  for (const [key, value] of Object.entries(variables)) {
    // Not the value itself: it may be what must not be shown.
    if (value !== undefined && value !== null && typeof value !== "string")
      throw new InvalidError(`The value of ${key} is of type ${typeof value}; variables of the environment are strings.`);
  }
}

// Loaded when it is needed: a container, which has no use for it, does not pay for it.
const network = () => import("./secrets/named.ts");

function present(variables: Variables): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])));
}
