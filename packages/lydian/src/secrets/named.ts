// Secrets with names, on the server.
import { LydianError, ObjectCreationType, type SecretMetadata } from "@lydian/protocol";
import type { Client } from "../client.ts";
import { rethrow } from "../errors.ts";
import type { CreateSecretOptions, DeleteSecretOptions, ListSecretsOptions, SecretInfo } from "../secret.ts";

export { currentClient } from "../client.ts";

const PAGE = 100;

export async function createSecret(
  client: Client,
  name: string,
  variables: Record<string, string>,
  { existing = "refuse", environment }: CreateSecretOptions = {},
): Promise<void> {
  const { CREATE_FAIL_IF_EXISTS, CREATE_IF_MISSING, CREATE_OVERWRITE_IF_EXISTS } = ObjectCreationType;
  const objectCreationType = { refuse: CREATE_FAIL_IF_EXISTS, keep: CREATE_IF_MISSING, replace: CREATE_OVERWRITE_IF_EXISTS }[existing];
  const place = { deploymentName: name, environmentName: environment ?? client.environment };
  await client.modal.secretGetOrCreate({ ...place, objectCreationType, envDict: variables }).catch(rethrow);
}

export async function secretInfo(client: Client, name: string, environment?: string): Promise<SecretInfo> {
  return infoOf((await find(client, name, environment).catch(rethrow)).metadata);
}

export async function updateSecret(client: Client, name: string, changes: Record<string, string | undefined>, environment?: string) {
  const updates = Object.entries(changes).map(([key, value]) => (value === undefined ? { key } : { key, value }));
  try {
    const { secretId } = await find(client, name, environment);
    await client.modal.secretUpdate({ secretId, updates });
  } catch (error) {
    rethrow(error);
  }
}

export async function listSecrets(
  client: Client,
  { limit = Number.POSITIVE_INFINITY, createdBefore, environment }: ListSecretsOptions = {},
): Promise<SecretInfo[]> {
  const all: SecretInfo[] = [];
  for (let before = (createdBefore?.getTime() ?? 0) / 1000; all.length < limit; ) {
    const pagination = { maxObjects: Math.min(PAGE, limit - all.length), createdBefore: before };
    const request = { environmentName: environment ?? client.environment, pagination };
    const { items } = await client.modal.secretList(request).catch(rethrow);
    all.push(...items.map(({ metadata }) => infoOf(metadata)));
    before = items.at(-1)?.createdAt ?? 0;
    if (items.length < pagination.maxObjects) break;
  }
  return all;
}

/** Whether there was one. */
export async function deleteSecret(
  client: Client,
  name: string,
  { allowMissing = false, environment }: DeleteSecretOptions = {},
): Promise<boolean> {
  try {
    const { secretId } = await find(client, name, environment);
    await client.modal.secretDelete({ secretId });
    return true;
  } catch (error) {
    if (allowMissing && LydianError.is(error) && error.code === "not_found") return false;
    return rethrow(error);
  }
}

const find = (client: Client, name: string, environment = client.environment) =>
  client.modal.secretGetOrCreate({ deploymentName: name, environmentName: environment });

function infoOf(metadata: SecretMetadata | undefined): SecretInfo {
  const { name = "", keys = [], environmentName = "", creationInfo, lastUsedAt = 0 } = metadata ?? {};
  return {
    name,
    keys,
    environment: environmentName,
    createdAt: new Date((creationInfo?.createdAt ?? 0) * 1000),
    lastUsedAt: lastUsedAt === 0 ? undefined : new Date(lastUsedAt * 1000),
  };
}
