// What a secret says of a registry's login.
import type { RegistryLogin } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import { ecrPassword } from "./aws-login.ts";

/** "static": a user and a password. "gcp": the key of a service account of Google Cloud. "aws": the access key of a user of AWS. */
export type LoginKind = "static" | "gcp" | "aws";

type Variables = Readonly<Record<string, string>>;

const VARIABLES: Readonly<Record<LoginKind, readonly string[]>> = {
  static: ["REGISTRY_USERNAME", "REGISTRY_PASSWORD"],
  gcp: ["SERVICE_ACCOUNT_JSON"],
  aws: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"],
};
/** The user name of Google's registries for those who log in with a key: https://cloud.google.com/artifact-registry/docs/docker/authentication */
const GCP_USER = "_json_key";
/** The user name of AWS's registries: https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html */
const AWS_USER = "AWS";

/**
 * The login, and the text that is all it is made from. Throws `invalid_argument` when the secret lacks a variable, `unimplemented` for a
 * role of AWS.
 */
export function registryLogin(kind: LoginKind, variables: Variables): Omit<RegistryLogin, "fingerprint"> & { readonly basis: string } {
  const has = (name: string): boolean => variables[name] !== undefined && variables[name] !== "";
  if (kind === "aws" && has("AWS_ROLE_ARN") && !has("AWS_ACCESS_KEY_ID")) {
    throw new LydianError(
      "unimplemented",
      "The secret of the registry has a role (AWS_ROLE_ARN): AWS gives it only to platforms whose tokens it trusts, and this server issues none.",
      { hint: "Give the secret AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a user that may read the registry." },
    );
  }
  const missing = VARIABLES[kind].find((name) => !has(name));
  if (missing !== undefined) {
    const message = `The secret of the registry has no ${missing}; it needs ${VARIABLES[kind].join(" and ")}.`;
    throw new LydianError("invalid_argument", message, { hint: "`lydian secret list` shows the names of a secret's variables." });
  }
  const [first = "", second = "", third = ""] = VARIABLES[kind].map((name) => variables[name] ?? "");
  switch (kind) {
    case "static":
      return { username: first, password: second, basis: `${first}\n${second}` };
    case "gcp":
      return { username: GCP_USER, password: first, basis: `${GCP_USER}\n${first}` };
    case "aws": {
      const sessionToken = variables.AWS_SESSION_TOKEN || undefined;
      const key = { accessKeyId: first, secretAccessKey: second, region: third, ...(sessionToken && { sessionToken }) };
      return { username: AWS_USER, password: ecrPassword(key), basis: [AWS_USER, first, second, third, sessionToken].join("\n") };
    }
  }
}
