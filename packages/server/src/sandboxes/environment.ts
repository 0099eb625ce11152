// The environment of a sandbox's processes: its image's, then what the client gives, later over earlier.
import { DEFAULT_PATH } from "@lydian/containers";
import type { SecretSource } from "@lydian/protocol";
import { checkVariables } from "../secrets/rules.ts";
import type { Secrets, Variables } from "../secrets/secrets.ts";

export interface GivenVariables {
  readonly secretSources: readonly SecretSource[];
  /** What older clients send: named secrets, then variables. */
  readonly secretIds: readonly string[];
  readonly variables: Variables;
}

/** Throws `not_found` for a secret that is not the workspace's, `invalid_argument` for what no environment can hold. */
export function variablesOf(
  { secretSources, secretIds, variables }: GivenVariables,
  workspaceId: string,
  secrets: Secrets,
): Record<string, string> {
  const read = (ids: readonly string[]): Variables => {
    for (const id of ids) secrets.require(id, workspaceId);
    return secrets.environment(ids);
  };
  const parts =
    secretSources.length === 0
      ? [read(secretIds), variables]
      : secretSources.map(({ source }) => (source.case === "secretId" ? read([source.value]) : (source.value?.contents ?? {})));
  for (const part of parts) checkVariables(part);
  return Object.assign({}, ...parts) as Record<string, string>;
}

/** What every process of a sandbox starts with. */
export function baseEnvironment(imageEnv: Variables): Record<string, string> {
  return { PATH: DEFAULT_PATH, HOME: "/root", ...imageEnv };
}
