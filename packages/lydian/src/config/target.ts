// Which server a command talks to: environment variables first, then the configuration file, then the embedded server.

import { type Config, configPath, readConfig } from "./config-file.ts";
import { UsageError } from "./usage-error.ts";

export interface Target {
  readonly serverUrl: string;
  readonly token: { readonly id: string; readonly secret: string };
  readonly environment: string;
  /** Where the address came from, for messages. */
  readonly source: "environment" | "config" | "embedded";
}

const DEFAULT_ENVIRONMENT = "main";

interface Variables {
  readonly server_url: string | undefined;
  readonly token_id: string | undefined;
  readonly token_secret: string | undefined;
  readonly environment: string | undefined;
}

function variables(env: NodeJS.ProcessEnv): Variables {
  const read = (name: string) => env[`LYDIAN_${name}`] || env[`MODAL_${name}`] || undefined;
  return {
    server_url: read("SERVER_URL"),
    token_id: read("TOKEN_ID"),
    token_secret: read("TOKEN_SECRET"),
    environment: read("ENVIRONMENT"),
  };
}

export interface ConfiguredTarget {
  /** Undefined: no server is configured, the embedded one is meant. */
  readonly server: Omit<Target, "environment"> | undefined;
  readonly environment: string;
}

/** What the environment and the configuration say. Throws when a server is named without a token. */
export function configuredTarget(
  environmentFlag: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
  config: Config = readConfig(configPath(env)),
): ConfiguredTarget {
  const named = variables(env);
  const environment = environmentFlag ?? named.environment ?? config.environment ?? DEFAULT_ENVIRONMENT;
  const serverUrl = named.server_url ?? config.server_url;
  if (!serverUrl) return { server: undefined, environment };
  const source = named.server_url ? "environment" : "config";
  const id = named.token_id ?? config.token_id;
  const secret = named.token_secret ?? config.token_secret;
  if (!id || !secret) {
    const missing = [id ? undefined : "token_id", secret ? undefined : "token_secret"].filter(Boolean).join(" and ");
    throw new UsageError(
      `the server ${serverUrl} is configured (${source}), but ${missing} is not`,
      `Set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or: lydian config set token_id … (lydian token create on the server makes one).`,
    );
  }
  return { server: { serverUrl, token: { id, secret }, source }, environment };
}
