import type { MessageInitShape, SecretSourceSchema } from "@lydian/protocol";
import type { Client } from "../client.ts";
import { InvalidError, rethrow } from "../errors.ts";
import { checkSecrets, type Secret, type Variables } from "../secret.ts";
import { showValue } from "../show-value.ts";

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Variables in the order in which they count, the last most: ids of named secrets, and the variables of others themselves. */
export async function secretSources(
  client: Client,
  environment: string,
  secrets: readonly Secret[] = [],
  env: Variables = {},
): Promise<MessageInitShape<typeof SecretSourceSchema>[]> {
  checkSecrets(secrets);
  const sources = await Promise.all(
    secrets.map(async ({ source }) => {
      if (source.kind === "variables") return inline(source.read());
      const { secretId } = await client.modal
        .secretGetOrCreate({
          deploymentName: source.name,
          environmentName: source.environment ?? environment,
          requiredKeys: [...source.requiredKeys],
        })
        .catch(rethrow);
      return { source: { case: "secretId" as const, value: secretId } };
    }),
  );
  const own = checkVariables(env);
  return Object.keys(own).length > 0 ? [...sources, inline(own)] : sources;
}

const inline = (contents: Record<string, string>) => ({ source: { case: "env" as const, value: { contents } } });

/** Those that have a value. Throws InvalidError for what cannot be in an environment. */
function checkVariables(env: Variables): Record<string, string> {
  if (typeof env !== "object" || env === null || Array.isArray(env))
    throw new InvalidError('`env` must be an object of strings, e.g. { LANG: "C" }.');
  const present: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!VARIABLE.test(name))
      throw new InvalidError(`${showValue(name)} is no name of a variable: letters, digits and "_", not beginning with a digit.`);
    if (value === undefined || value === null) continue;
    // Not the value itself: it may be what must not be shown.
    if (typeof value !== "string" || value.includes("\0"))
      throw new InvalidError(`The value of ${name} is no string, or has a NUL in it, which a variable cannot hold.`);
    present[name] = value;
  }
  return present;
}
