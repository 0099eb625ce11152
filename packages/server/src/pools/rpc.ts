// Wire ↔ pools: what containers ask, and what clients ask about containers.
import { type CallContext, type Handlers, LydianError, type ModalClient, type Runtime } from "@lydian/protocol";
import type { Calls } from "../calls/calls.ts";
import type { Caller, ContainerCaller } from "../identity/caller.ts";
import type { Pools } from "./pools.ts";
import type { PoolContainer } from "./pool-container.ts";

export interface PoolsRpcDependencies {
  readonly pools: Pools;
  readonly calls: Calls;
  readonly describeApp: (appId: string) => string;
}

/** How long a fetch without inputs is held. */
const HOLD_FETCH_MS = 30_000;
/** The official runtime gives up a heartbeat after 15.1 s. */
const HOLD_HEARTBEAT_MS = 14_000;

export function createPoolsRpc({ pools, calls, describeApp }: PoolsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  const mine = ({ caller }: CallContext<Caller>): PoolContainer => pools.require(containerCaller(caller).taskId);
  const visible = (taskId: string, caller: Caller): PoolContainer => {
    const container = pools.containers().find((one) => one.taskId === taskId && one.record?.workspaceId === caller.workspaceId);
    const allowed = container && (caller.kind === "client" || caller.taskId === taskId);
    if (!allowed) throw new LydianError("not_found", `There is no container ${JSON.stringify(taskId)}.`);
    return container;
  };

  return {
    containerHello(_request, context) {
      pools.hello(containerCaller(context.caller).taskId);
      return {};
    },

    async containerHeartbeat(_request, context) {
      const container = mine(context);
      container.lastHeartbeatAt = Date.now();
      if (container.cancelled.size === 0) await container.cancellations.wait(HOLD_HEARTBEAT_MS, context.signal, context.draining);
      const inputIds = [...container.cancelled];
      container.cancelled.clear();
      return inputIds.length === 0 ? {} : { cancelInputEvent: { inputIds } };
    },

    async functionGetInputs({ lydianMaxInputs }, context) {
      const container = mine(context);
      const pool = pools.poolOf(container);
      const inputs = await pool.fetch(container, lydianMaxInputs || 1, HOLD_FETCH_MS, context.signal, context.draining);
      return { inputs };
    },

    async functionPutOutputs({ outputs }, context) {
      const container = mine(context);
      const pool = pools.poolOf(container);
      pool.release(container, outputs);
      await calls.answer(container.taskId, outputs);
      pool.evaluate();
      return {};
    },

    taskResult({ result }, context) {
      const container = mine(context);
      if (result && container.isStarting) container.startFailure = result;
      return {};
    },

    taskList({ appId }, { caller }) {
      const containers = pools.containers().filter(({ record }) => record?.workspaceId === caller.workspaceId && (appId === "" || record.appId === appId));
      return {
        tasks: containers.map((container) => ({
          taskId: container.taskId,
          appId: container.record?.appId ?? "",
          appDescription: describeApp(container.record?.appId ?? ""),
          enqueuedAt: container.createdAt / 1000,
          startedAt: container.isStarting ? 0 : container.createdAt / 1000,
        })),
      };
    },

    taskGetInfo({ taskId }, { caller }) {
      const container = visible(taskId, caller);
      const at = container.createdAt / 1000;
      return { appId: container.record?.appId ?? "", info: { id: taskId, enqueuedAt: at, startedAt: container.isStarting ? 0 : at } };
    },

    containerStop({ taskId, graceful }, { caller }) {
      pools.stopContainer(visible(taskId, caller), graceful);
      return {};
    },
  };
}

export function createRuntimeRpc(pools: Pools): Handlers<typeof Runtime, Caller> {
  return {
    async start(_request, { caller, signal }) {
      return { arguments: await pools.arguments(containerCaller(caller).taskId, signal) };
    },
  };
}

function containerCaller(caller: Caller): ContainerCaller {
  if (caller.kind === "container") return caller;
  throw new LydianError("permission_denied", "Only a container may ask this, over its own socket.");
}
