// lydian.v1: what the official protocol has no message for.
import type { ContainerHost } from "@lydian/containers";
import type { Handlers, Lydian } from "@lydian/protocol";
import type { Apps } from "../apps/apps.ts";
import type { Caller } from "../identity/caller.ts";
import type { Workspace } from "../identity/first-start.ts";
import type { Tokens } from "../identity/tokens.ts";
import type { Pools } from "../pools/pools.ts";

export interface ControlRpcDependencies {
  readonly version: string;
  readonly startedAt: number;
  readonly host: Pick<ContainerHost, "name" | "runtime" | "features">;
  readonly workspace: Workspace;
  readonly tokens: Tokens;
  readonly apps: Apps;
  readonly pools: Pools;
  /** PEM. */
  readonly tunnelAuthority: () => Promise<string>;
}

export function createControlRpc(d: ControlRpcDependencies): Handlers<typeof Lydian, Caller> {
  return {
    serverInfo: () => ({
      version: d.version,
      containerHost: d.host.name,
      containerRuntime: d.host.runtime,
      isolations: [...d.host.features.isolations],
      startedAt: d.startedAt / 1000,
      workspace: d.workspace.name,
    }),

    tokenCreate: ({ name }, { caller, headers }) => d.tokens.create(caller.workspaceId, name, headers["x-idempotency-key"]),

    tokenList: (_request, { caller }) => ({
      tokens: d.tokens.list(caller.workspaceId).map(({ id, name, createdAt, lastUsedAt }) => ({
        tokenId: id,
        name,
        createdAt: createdAt / 1000,
        lastUsedAt: lastUsedAt / 1000,
        current: caller.kind === "client" && caller.tokenId === id,
      })),
    }),

    async tokenRevoke({ tokenId }, { caller }) {
      await d.tokens.revoke(caller.workspaceId, tokenId);
      return {};
    },

    appWatch({ appId }, { caller, signal, draining }) {
      d.apps.requireLive(appId, caller.workspaceId);
      return d.pools.watch(appId, signal, draining);
    },

    tunnelAuthority: async () => ({ certificate: await d.tunnelAuthority() }),
  };
}
