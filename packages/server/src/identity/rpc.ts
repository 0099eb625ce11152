import { type Handlers, LydianError, type ModalClient, ObjectCreationType, timestampFromMs } from "@lydian/protocol";
import { AuthTokens } from "./auth-tokens.ts";
import type { Caller } from "./caller.ts";
import type { EnvironmentRecord, Environments } from "./environments.ts";
import type { Workspace } from "./first-start.ts";
import type { Tokens } from "./tokens.ts";

export interface IdentityRpcDependencies {
  readonly workspace: Workspace;
  readonly environments: Environments;
  readonly tokens: Tokens;
  /** Ends the apps of an environment that is being deleted. */
  readonly stopApps: (environmentId: string, reason: string) => Promise<void>;
}

/** Known to every official client in use. */
const IMAGE_BUILDER_VERSION = "2025.06";

export function createIdentityRpc({
  workspace,
  environments,
  tokens,
  stopApps,
}: IdentityRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  const authTokens = new AuthTokens();
  return {
    clientHello: () => ({ imageBuilderVersion: IMAGE_BUILDER_VERSION }),
    workspaceNameLookup: () => ({ username: workspace.name }),

    tokenInfoGet(_request, { caller }) {
      if (caller.kind !== "client") throw new LydianError("permission_denied", "A container has no token.");
      const token = tokens.list(caller.workspaceId).find(({ id }) => id === caller.tokenId);
      return {
        tokenId: caller.tokenId,
        workspaceId: workspace.id,
        workspaceName: workspace.name,
        ...(token && { tokenName: token.name, createdAt: timestampFromMs(token.createdAt) }),
      };
    },

    authTokenGet: (_request, { caller }) => ({ token: authTokens.issue(caller) }),

    async environmentGetOrCreate({ deploymentName, objectCreationType }, { caller, headers }) {
      const { workspaceId } = caller;
      const own = caller.kind === "container" ? environments.nameOf(caller.environmentId) : undefined;
      const name = deploymentName || (own ?? "");
      if (own !== undefined && (name !== own || objectCreationType !== ObjectCreationType.UNSPECIFIED))
        throw new LydianError("permission_denied", `A container of the environment ${JSON.stringify(own)} sees no other, and makes none.`);
      const idempotencyKey = headers["x-idempotency-key"] ?? "";
      if (objectCreationType === ObjectCreationType.CREATE_FAIL_IF_EXISTS) await environments.create(workspaceId, name, { idempotencyKey });
      if (objectCreationType === ObjectCreationType.CREATE_IF_MISSING && !environments.find(workspaceId, name)) {
        // Of two callers at once, both are content with the one that is made.
        await environments.create(workspaceId, name).catch((error: unknown) => {
          if (!environments.find(workspaceId, name)) throw error;
        });
      }
      const record = environments.require(workspaceId, name);
      return { environmentId: record.id, metadata: { name: record.name, settings: { imageBuilderVersion: IMAGE_BUILDER_VERSION } } };
    },

    environmentList: (_request, { caller }) => ({ items: environments.list(caller.workspaceId).map(item) }),

    async environmentCreate({ name }, { caller, headers }) {
      await environments.create(caller.workspaceId, name, { idempotencyKey: headers["x-idempotency-key"] ?? "" });
      return {};
    },

    async environmentUpdate({ currentName, name, imageBuilderVersion, ...rest }, { caller }) {
      if (rest.webSuffix) throw notServed("suffix of web addresses");
      if (rest.maxConcurrentTasks || rest.maxConcurrentGpus) throw notServed("limits of containers");
      if (imageBuilderVersion && imageBuilderVersion !== IMAGE_BUILDER_VERSION) {
        const message = `This server builds images as version ${IMAGE_BUILDER_VERSION} does, not as ${JSON.stringify(imageBuilderVersion.slice(0, 50))}.`;
        throw new LydianError("invalid_argument", message);
      }
      const known = environments.require(caller.workspaceId, currentName);
      return item(name ? await environments.rename(caller.workspaceId, known.name, name) : known);
    },

    async environmentDelete({ name }, { caller }) {
      const { id } = await environments.delete(caller.workspaceId, name);
      await stopApps(id, `The environment ${JSON.stringify(name)} was deleted.`);
      return {};
    },
  };
}

const notServed = (what: string) => new LydianError("unimplemented", `Environments have no ${what} on this server.`);

const item = (record: EnvironmentRecord) => ({
  name: record.name,
  createdAt: record.createdAt / 1000,
  default: record.isDefault,
  environmentId: record.id,
  imageBuilderVersion: IMAGE_BUILDER_VERSION,
});
