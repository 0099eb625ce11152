import { AppDisconnectReason, type Handlers, LydianError, type ModalClient, AppState as WireState } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import type { Environments } from "../identity/environments.ts";
import type { AppState } from "./app-state.ts";
import type { Apps } from "./apps.ts";
import type { AppRecord } from "./store.ts";

export interface AppsRpcDependencies {
  readonly apps: Apps;
  readonly environments: Environments;
  readonly layout: (appId: string) => { functionIds: Record<string, string>; objects: { objectId: string }[] };
  /** Puts functions under names in the layout. Throws when one is not of this app. */
  readonly publish: (app: AppRecord, functionIds: Readonly<Record<string, string>>) => Promise<void>;
  readonly containersOf: (appId: string) => number;
}

const WIRE: Readonly<Record<AppState, WireState>> = {
  initializing: WireState.INITIALIZING,
  ephemeral: WireState.EPHEMERAL,
  detached: WireState.DETACHED,
  stopping: WireState.STOPPING,
  stopped: WireState.STOPPED,
};

const LEFT: Readonly<Record<number, string>> = {
  [AppDisconnectReason.LOCAL_EXCEPTION]: "Its local program failed.",
  [AppDisconnectReason.KEYBOARD_INTERRUPT]: "It was interrupted.",
  [AppDisconnectReason.ENTRYPOINT_COMPLETED]: "Its entrypoint has finished.",
  [AppDisconnectReason.DEPLOYMENT_EXCEPTION]: "It could not be set up.",
  [AppDisconnectReason.REMOTE_EXCEPTION]: "A function failed.",
};

const NO_DEPLOYMENTS = "Deployed apps are not served yet; run the app as an ephemeral one (`lydian run`, `modal run`).";
const MAX_DESCRIPTION = 256;

export function createAppsRpc({
  apps,
  environments,
  layout,
  publish,
  containersOf,
}: AppsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  return {
    async appCreate({ description, environmentName, appState, tags }, { caller, headers }) {
      if (appState !== WireState.EPHEMERAL && appState !== WireState.DETACHED && appState !== WireState.UNSPECIFIED)
        throw new LydianError("unimplemented", NO_DEPLOYMENTS);
      const environment = environments.require(caller.workspaceId, environmentName);
      const app = await apps.create({
        workspaceId: caller.workspaceId,
        environmentId: environment.id,
        description: description.slice(0, MAX_DESCRIPTION),
        state: appState === WireState.DETACHED ? "detached" : "ephemeral",
        createdBy: caller.kind === "client" ? caller.tokenId : caller.taskId,
        tags: { ...tags },
        idempotencyKey: headers["x-idempotency-key"] ?? "",
      });
      return { appId: app.id };
    },

    appHeartbeat({ appId }, { caller }) {
      apps.heartbeat(apps.requireLive(appId, caller.workspaceId).id);
      return {};
    },

    async appPublish({ appId, name, appState, functionIds, classIds }, { caller }) {
      if (appState === WireState.DEPLOYED) throw new LydianError("unimplemented", NO_DEPLOYMENTS);
      if (Object.keys(classIds).length > 0) throw new LydianError("unimplemented", "Classes are not served yet; use functions.");
      const app = apps.requireLive(appId, caller.workspaceId);
      await publish(app, functionIds);
      await apps.publish(appId, app.state === "detached" ? "publish-detached" : "publish-ephemeral", name);
      return { deployedAt: Date.now() / 1000 };
    },

    async appClientDisconnect({ appId, reason, exception }, { caller }) {
      const app = apps.require(appId, caller.workspaceId);
      if (app.state === "detached") return {};
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
          state: WIRE[app.state],
          createdAt: app.createdAt / 1000,
          stoppedAt: app.stoppedAt / 1000,
          nRunningTasks: containersOf(app.id),
        })),
      };
    },

    appGetLifecycle({ appId }, { caller }) {
      const app = apps.require(appId, caller.workspaceId);
      return {
        lifecycle: {
          appState: WIRE[app.state],
          createdAt: app.createdAt / 1000,
          createdBy: app.createdBy,
          stoppedAt: app.stoppedAt / 1000,
        },
      };
    },

    appGetLayout({ appId }, { caller }) {
      return { appLayout: layout(apps.require(appId, caller.workspaceId).id) };
    },

    /** No app is deployed: an empty answer says so. */
    appGetByDeploymentName: ({ environmentName }, { caller }) => ({
      environmentName: environments.require(caller.workspaceId, environmentName).name,
    }),
  };
}
