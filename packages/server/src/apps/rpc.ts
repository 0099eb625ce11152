import { AppDisconnectReason, type Handlers, LydianError, type ModalClient, AppState as WireState } from "@lydian/protocol";
import { checkTags } from "../deployments/rules.ts";
import type { Caller } from "../identity/caller.ts";
import type { Environments } from "../identity/environments.ts";
import { type AppState, needsClient } from "./app-state.ts";
import type { Apps } from "./apps.ts";
import { appPageUrl } from "./page.ts";
import { lifecycleOf, metadataOf, WIRE_STATE } from "./wire.ts";

export interface AppsRpcDependencies {
  readonly apps: Apps;
  readonly environments: Environments;
  readonly functionIds: (appId: string) => Readonly<Record<string, string>>;
  readonly containersOf: (appId: string) => number;
}

const FIRST_STATE: ReadonlyMap<WireState, AppState> = new Map<WireState, AppState>([
  [WireState.UNSPECIFIED, "ephemeral"],
  [WireState.EPHEMERAL, "ephemeral"],
  [WireState.DETACHED, "detached"],
  [WireState.INITIALIZING, "initializing"],
]);

const LEFT: Readonly<Record<number, string>> = {
  [AppDisconnectReason.LOCAL_EXCEPTION]: "Its local program failed.",
  [AppDisconnectReason.KEYBOARD_INTERRUPT]: "It was interrupted.",
  [AppDisconnectReason.ENTRYPOINT_COMPLETED]: "Its entrypoint has finished.",
  [AppDisconnectReason.DEPLOYMENT_EXCEPTION]: "It could not be set up.",
  [AppDisconnectReason.REMOTE_EXCEPTION]: "A function failed.",
};

const MAX_DESCRIPTION = 256;

export function createAppsRpc({
  apps,
  environments,
  functionIds,
  containersOf,
}: AppsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  return {
    async appCreate({ description, environmentName, appState, tags }, context) {
      const { caller, headers } = context;
      const state = FIRST_STATE.get(appState);
      if (state === undefined)
        throw new LydianError(
          "invalid_argument",
          `An app cannot begin in the state ${WireState[appState] ?? appState}: create it as INITIALIZING, then publish it.`,
        );
      checkTags(tags);
      const environment = environments.require(caller.workspaceId, environmentName);
      const app = await apps.create({
        workspaceId: caller.workspaceId,
        environmentId: environment.id,
        description: description.slice(0, MAX_DESCRIPTION),
        state,
        createdBy: caller.kind === "client" ? caller.tokenId : caller.taskId,
        tags: { ...tags },
        idempotencyKey: headers["x-idempotency-key"] ?? "",
      });
      const url = appPageUrl(app.id, context);
      return { appId: app.id, appPageUrl: url, appLogsUrl: url };
    },

    appHeartbeat({ appId }, { caller }) {
      apps.heartbeat(apps.requireLive(appId, caller.workspaceId).id);
      return {};
    },

    async appClientDisconnect({ appId, reason, exception }, { caller }) {
      const app = apps.require(appId, caller.workspaceId);
      if (!needsClient(app.state)) return {};
      // The client waits for the last log lines, not for this answer.
      void apps.stop(appId, [LEFT[reason] ?? "Its client has left.", exception].filter(Boolean).join(" ").slice(0, 1_000));
      return {};
    },

    async appStop({ appId }, { caller }) {
      apps.require(appId, caller.workspaceId);
      await apps.stop(appId, "It was stopped on request.");
      return {};
    },

    appList({ environmentName }, { caller }) {
      const environment = environments.require(caller.workspaceId, environmentName);
      return {
        apps: apps.list(environment.id).map((app) => ({
          appId: app.id,
          description: app.description,
          name: app.name,
          state: WIRE_STATE[app.state],
          createdAt: app.createdAt / 1000,
          stoppedAt: app.stoppedAt / 1000,
          nRunningTasks: containersOf(app.id),
          metadata: metadataOf(app, environment.name, functionIds(app.id)),
        })),
      };
    },

    appGetLifecycle: ({ appId }, { caller }) => ({ lifecycle: lifecycleOf(apps.require(appId, caller.workspaceId)) }),

    async appSetTags({ appId, tags }, { caller }) {
      checkTags(tags);
      await apps.setTags(apps.require(appId, caller.workspaceId).id, { ...tags });
      return {};
    },

    appGetTags: ({ appId }, { caller }) => ({ tags: { ...apps.require(appId, caller.workspaceId).tags } }),
  };
}
