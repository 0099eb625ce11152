// ~/.lydian/config.json: which server to talk to when the environment does not say. Holds a secret, so it is 0600 and is
// replaced in one step.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { lydianHome } from "./home.ts";
import { UsageError } from "./usage-error.ts";

/** Keys a person may set, with the rule each value must meet. */
export const CONFIG_KEYS = {
  server_url: { about: "address of the server, http://host:port or unix:///path", rule: /^(https?:\/\/[^\s/]+\/?|unix:\/\/\/\S+)$/ },
  token_id: { about: "id of the token", rule: /^\S{3,100}$/ },
  token_secret: { about: "secret of the token", rule: /^\S{3,200}$/ },
  environment: { about: "environment that commands use", rule: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/ },
} as const;

export type ConfigKey = keyof typeof CONFIG_KEYS;
export type Config = Partial<Record<ConfigKey, string>>;

export function configPath(env: NodeJS.ProcessEnv = process.env): string {
  return join(lydianHome(env), "config.json");
}

export function asConfigKey(name: string): ConfigKey {
  const key = name.replaceAll("-", "_");
  if (Object.hasOwn(CONFIG_KEYS, key)) return key as ConfigKey;
  throw new UsageError(`there is no setting "${name}"`, `Settings: ${Object.keys(CONFIG_KEYS).join(", ")}`);
}

/** An absent file is an empty configuration; a broken one is an error that names it. */
export function readConfig(path: string): Config {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${path} is not valid JSON: ${(error as Error).message}`, "Correct it, or remove it and use lydian config set.");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new UsageError(`${path} must hold a JSON object`, "Correct it, or remove it and use lydian config set.");
  }
  const config: Config = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (!Object.hasOwn(CONFIG_KEYS, name)) continue;
    config[name as ConfigKey] = checkValue(name as ConfigKey, value, path);
  }
  return config;
}

export function setConfig(path: string, key: ConfigKey, value: string): void {
  writeConfig(path, { ...readConfig(path), [key]: checkValue(key, value) });
}

/** Returns whether the key was there. */
export function unsetConfig(path: string, key: ConfigKey): boolean {
  const { [key]: removed, ...rest } = readConfig(path);
  if (removed === undefined) return false;
  writeConfig(path, rest);
  return true;
}

function checkValue(key: ConfigKey, value: unknown, where?: string): string {
  const { about, rule } = CONFIG_KEYS[key];
  if (typeof value === "string" && rule.test(value)) return value;
  const shown = key === "token_secret" ? "the value" : JSON.stringify(value);
  throw new UsageError(`${shown} is not valid for ${key}${where ? ` in ${where}` : ""}`, `${key} is the ${about}.`);
}

function writeConfig(path: string, config: Config): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}
