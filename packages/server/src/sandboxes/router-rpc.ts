// The command router of sandboxes and their further containers, put together.
import type { Handlers, TaskCommandRouter } from "@lydian/protocol";
import type { Execs } from "../execs/execs.ts";
import type { FindHome } from "../execs/router-home.ts";
import { createRouterRpc } from "../execs/rpc.ts";
import type { Caller } from "../identity/caller.ts";
import { variablesOf } from "./environment.ts";
import { networkOf } from "./network.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { Sidecar } from "./sidecar.ts";
import { createSidecarsRouterRpc, type SidecarsRpcDependencies } from "./sidecars-rpc.ts";
import type { Snapshots } from "./snapshots.ts";
import { commandOf } from "./stdio.ts";

export interface SandboxRouterDependencies extends SidecarsRpcDependencies {
  readonly execs: Execs;
  readonly home: FindHome;
  /** By its container. Throws `not_found`. */
  readonly sandboxOf: (taskId: string) => Sandbox;
  readonly sandboxes: Sandboxes;
  readonly snapshots: Snapshots;
}

export function createSandboxRouterRpc(dependencies: SandboxRouterDependencies): Partial<Handlers<typeof TaskCommandRouter, Caller>> {
  const { execs, home, sandboxOf, sandboxes, sidecars, snapshots, secrets } = dependencies;
  const containerOf = (taskId: string, containerId: string): Sandbox | Sidecar =>
    containerId === "" ? sandboxOf(taskId) : sidecars.require(sandboxOf(taskId), containerId);
  return {
    ...createRouterRpc({
      execs,
      home,
      command: (taskId) => commandOf(sandboxOf(taskId)),
      ready: (taskId, timeoutMs, ...signals) => sandboxes.ready(sandboxOf(taskId), timeoutMs, ...signals),
      snapshotFilesystem: (taskId, containerId, request) => snapshots.filesystem(containerOf(taskId, containerId), request),
      snapshotDirectory: (taskId, containerId, path, request) => snapshots.directory(containerOf(taskId, containerId), path, request),
      mount: (taskId, containerId, path, imageId) => snapshots.mount(containerOf(taskId, containerId), path, imageId),
      unmount: (taskId, containerId, path) => snapshots.unmount(containerOf(taskId, containerId), path),
      setNetwork: async (taskId, access) => sandboxes.setNetwork(sandboxOf(taskId), networkOf(access)),
      variables: (secretSources, secretIds, variables, workspaceId) =>
        variablesOf({ secretSources, secretIds, variables }, workspaceId, secrets),
    }),
    ...createSidecarsRouterRpc(dependencies),
  };
}
