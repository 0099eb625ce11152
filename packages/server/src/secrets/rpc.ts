import { type Handlers, LydianError, type ModalClient, ObjectCreationType } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import type { Environments } from "../identity/environments.ts";
import type { SecretPlace, Secrets } from "./secrets.ts";
import type { SecretRecord } from "./store.ts";

export interface SecretsRpcDependencies {
  readonly secrets: Secrets;
  readonly environments: Environments;
  /** The environment of a live app; throws when the workspace has no such app. */
  readonly environmentOf: (appId: string, workspaceId: string) => string;
}

const MAX_PAGE = 100;

export function createSecretsRpc({
  secrets,
  environments,
  environmentOf,
}: SecretsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  const metadata = (record: SecretRecord) => ({
    name: record.name,
    keys: [...record.keys],
    creationInfo: { createdAt: record.createdAt / 1000 },
    environmentName: environments.nameOf(record.environmentId),
    lastUsedAt: record.lastUsedAt / 1000,
  });

  return {
    async secretGetOrCreate(request, { caller: { workspaceId }, headers }) {
      const { deploymentName: name, objectCreationType: type, appId } = request;
      const environmentId =
        type === ObjectCreationType.ANONYMOUS_OWNED_BY_APP
          ? environmentOf(appId, workspaceId)
          : environments.require(workspaceId, request.environmentName).id;
      const record = await getOrCreate(secrets, { workspaceId, environmentId }, request, headers["x-idempotency-key"] ?? "");
      const absent = request.requiredKeys.filter((key) => !record.keys.includes(key));
      if (absent.length > 0) {
        // The official JavaScript and Go clients know this error by its first words.
        const message = `Secret is missing key(s): ${absent.join(", ")}. The secret ${JSON.stringify(name)} has ${record.keys.join(", ") || "nothing"}.`;
        throw new LydianError("failed_precondition", message);
      }
      return { secretId: record.id, metadata: metadata(record) };
    },

    secretGetInfo: ({ secretId }, { caller }) => ({ metadata: metadata(secrets.require(secretId, caller.workspaceId)) }),

    secretList({ environmentName, pagination }, { caller }) {
      const environment = environments.require(caller.workspaceId, environmentName);
      const limit = Math.min(MAX_PAGE, pagination?.maxObjects || MAX_PAGE);
      const before = pagination?.createdBefore ? pagination.createdBefore * 1000 : Number.MAX_SAFE_INTEGER;
      const items = secrets.list(environment.id, before, limit).map((record) => ({
        label: record.name,
        secretId: record.id,
        createdAt: record.createdAt / 1000,
        lastUsedAt: record.lastUsedAt / 1000,
        environmentName: environment.name,
        metadata: metadata(record),
      }));
      return { items, environmentName: environment.name };
    },

    async secretUpdate({ secretId, updates }, { caller }) {
      const record = secrets.require(secretId, caller.workspaceId);
      await secrets.update(record, new Map(updates.map(({ key, value }) => [key, value])));
      return {};
    },

    async secretDelete({ secretId }, { caller }) {
      await secrets.delete(secrets.require(secretId, caller.workspaceId));
      return {};
    },
  };
}

async function getOrCreate(
  secrets: Secrets,
  place: SecretPlace,
  request: { deploymentName: string; objectCreationType: ObjectCreationType; envDict: Record<string, string>; appId: string },
  idempotencyKey: string,
): Promise<SecretRecord> {
  const { deploymentName: name, objectCreationType: type, envDict: variables, appId } = request;
  switch (type) {
    case ObjectCreationType.UNSPECIFIED: {
      const known = secrets.find(place, name);
      if (known !== undefined) return known;
      throw new LydianError("not_found", `Secret '${name.slice(0, 100)}' not found in this environment.`, {
        hint: "Make it: lydian secret create NAME KEY=VALUE",
        officialHint: "Make it: modal secret create NAME KEY=VALUE",
      });
    }
    case ObjectCreationType.ANONYMOUS_OWNED_BY_APP:
      return secrets.createForApp(place, appId, variables, idempotencyKey);
    case ObjectCreationType.CREATE_IF_MISSING:
      return secrets.createNamed(place, name, variables, { existing: "keep", idempotencyKey });
    case ObjectCreationType.CREATE_FAIL_IF_EXISTS:
      return secrets.createNamed(place, name, variables, { existing: "refuse", idempotencyKey });
    case ObjectCreationType.CREATE_OVERWRITE_IF_EXISTS:
      return secrets.createNamed(place, name, variables, { existing: "replace", idempotencyKey });
    case ObjectCreationType.EPHEMERAL:
      return secrets.createForADay(place, variables, idempotencyKey);
    default:
      throw new LydianError("invalid_argument", `${type} is no way to create a secret.`);
  }
}
