// Apps as the wire describes them.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type AppHandleMetadataSchema, type AppLifecycleSchema, AppState as WireState } from "@lydian/protocol";
import type { AppState } from "./app-state.ts";
import type { AppRecord } from "./store.ts";

export const WIRE_STATE: Readonly<Record<AppState, WireState>> = {
  initializing: WireState.INITIALIZING,
  ephemeral: WireState.EPHEMERAL,
  detached: WireState.DETACHED,
  deployed: WireState.DEPLOYED,
  stopping: WireState.STOPPING,
  stopped: WireState.STOPPED,
};

export const lifecycleOf = (app: AppRecord): MessageInitShape<typeof AppLifecycleSchema> => ({
  appState: WIRE_STATE[app.state],
  createdAt: app.createdAt / 1000,
  createdBy: app.createdBy,
  deployedAt: app.deployedAt / 1000,
  deployedBy: app.deployedBy,
  version: app.version,
  stoppedAt: app.stoppedAt / 1000,
});

export const metadataOf = (
  app: AppRecord,
  environmentName: string,
  functionIds: Readonly<Record<string, string>>,
): MessageInitShape<typeof AppHandleMetadataSchema> => ({
  appId: app.id,
  description: app.description,
  environmentName,
  lifecycle: lifecycleOf(app),
  functions: { ...functionIds },
});
