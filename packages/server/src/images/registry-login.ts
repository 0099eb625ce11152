// What a secret says of a registry's login.
import type { RegistryLogin } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";

/** "static": a user and a password. "gcp": the key of a service account of Google Cloud. */
export type LoginKind = "static" | "gcp";

const VARIABLES: Readonly<Record<LoginKind, readonly string[]>> = {
  static: ["REGISTRY_USERNAME", "REGISTRY_PASSWORD"],
  gcp: ["SERVICE_ACCOUNT_JSON"],
};
/** The user name of Google's registries for those who log in with a key: https://cloud.google.com/artifact-registry/docs/docker/authentication */
const GCP_USER = "_json_key";

/** Throws `invalid_argument` when the secret lacks a variable. */
export function registryLogin(kind: LoginKind, variables: Readonly<Record<string, string>>): Omit<RegistryLogin, "fingerprint"> {
  const missing = VARIABLES[kind].find((name) => variables[name] === undefined || variables[name] === "");
  if (missing !== undefined) {
    const message = `The secret of the registry has no ${missing}; it needs ${VARIABLES[kind].join(" and ")}.`;
    throw new LydianError("invalid_argument", message, { hint: "`lydian secret list` shows the names of a secret's variables." });
  }
  const [first = "", second = ""] = VARIABLES[kind].map((name) => variables[name] ?? "");
  return kind === "gcp" ? { username: GCP_USER, password: first } : { username: first, password: second };
}
