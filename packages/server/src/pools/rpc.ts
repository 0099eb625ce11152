// What containers ask of the control plane, and what clients ask about containers, on the wire.
import {
  answersOf,
  type CallContext,
  deliveryColumns,
  type FunctionPutOutputsItem,
  type Handlers,
  LydianError,
  type ModalClient,
  type Runtime,
} from "@lydian/protocol";
import type { Answer, Delivery } from "../calls/attempts.ts";
import type { Calls } from "../calls/calls.ts";
import { DrainWatch } from "../calls/drain-watch.ts";
import { slotsOf } from "../calls/functions-port.ts";
import type { Caller } from "../identity/caller.ts";
import { Batch } from "./batch.ts";
import type { PoolContainer } from "./container.ts";
import { maxInputsOf } from "./plan.ts";
import type { Pool } from "./pool.ts";
import type { Pools } from "./pools.ts";
import type { TaskRecord } from "./tasks.ts";

export interface PoolsRpcDependencies {
  readonly pools: Pools;
  readonly calls: Calls;
  /** All containers, those of sandboxes too. */
  readonly tasks: () => readonly TaskRecord[];
  /** False when the container is not that of a sandbox of the workspace. */
  readonly stopSandbox: (taskId: string, workspaceId: string) => Promise<boolean>;
  readonly describeApp: (appId: string) => string;
  /** Throws `not_found` unless the app is the workspace's. */
  readonly requireApp: (appId: string, workspaceId: string) => void;
  /** Undefined when there is no such environment; the empty name is the default one. */
  readonly environmentId: (name: string, workspaceId: string) => string | undefined;
}

/** A fetch without work is answered empty after this, a heartbeat without news too. */
const FETCH_HOLD_MS = 25_000;
const HEARTBEAT_HOLD_MS = 14_000;

export function createPoolsRpc(dependencies: PoolsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  const { pools, calls, requireApp, describeApp } = dependencies;
  const drains = new DrainWatch(() => pools.drain());

  return {
    containerHello(_request, { caller }) {
      pools.hello(heard(dependencies, caller));
      return {};
    },

    async functionGetInputs({ batchMaxSize, batchLingerMs }, context) {
      drains.note(context.draining);
      // The official runtime takes one input at a time unless it batches.
      const inputs = await takeInputs(dependencies, { max: batchMaxSize || 1, lingerMs: Number(batchLingerMs) }, context);
      return { inputs: [...inputs] };
    },

    /** Nothing here measures how much a container could do: it runs what its function allows. */
    functionGetDynamicConcurrency({ targetConcurrency, maxConcurrency }) {
      return { concurrency: maxConcurrency || targetConcurrency || 1 };
    },

    async functionPutOutputs({ outputs }, { caller }) {
      await takeOutputs(dependencies, outputs, caller);
      return {};
    },

    async containerHeartbeat(_request, { caller, signal, draining }) {
      drains.note(draining);
      const container = heard(dependencies, caller);
      if (container.cancels.length === 0 && container.live && !draining.aborted) {
        await new Promise<void>((resolve) => {
          const wake = () => {
            calls.deadlines.cancel(deadline);
            signal.removeEventListener("abort", wake);
            if (container.beat === wake) container.beat = undefined;
            resolve();
          };
          const deadline = calls.deadlines.add(calls.clock.now() + HEARTBEAT_HOLD_MS, wake);
          container.beat?.();
          container.beat = wake;
          signal.addEventListener("abort", wake, { once: true });
        });
      }
      // Nobody would hear it.
      if (signal.aborted) return {};
      const inputIds = container.cancels.splice(0);
      return inputIds.length === 0 ? {} : { cancelInputEvent: { inputIds } };
    },

    taskResult({ result }, { caller }) {
      const container = heard(dependencies, caller);
      // A ready container has told all that matters by its outputs.
      if (result !== undefined && container.state !== "ready") container.startFailure = result;
      return {};
    },

    taskList({ appId, environmentName }, { caller }) {
      if (appId !== "") requireApp(appId, caller.workspaceId);
      const environmentId = environmentName === "" ? undefined : dependencies.environmentId(environmentName, caller.workspaceId);
      if (environmentName !== "" && environmentId === undefined)
        throw new LydianError("not_found", `There is no environment "${environmentName}".`);
      const tasks = dependencies
        .tasks()
        .filter(
          (task) =>
            task.finishedAt === 0 &&
            task.workspaceId === caller.workspaceId &&
            (appId === "" || task.appId === appId) &&
            (environmentId === undefined || task.environmentId === environmentId),
        );
      return {
        tasks: tasks.map((task) => ({
          taskId: task.taskId,
          appId: task.appId,
          appDescription: describeApp(task.appId),
          startedAt: task.startedAt / 1000,
          enqueuedAt: task.enqueuedAt / 1000,
          lydianIsolation: task.isolation,
        })),
      };
    },

    taskGetInfo({ taskId }, { caller }) {
      for (const task of dependencies.tasks()) {
        if (task.taskId !== taskId || task.workspaceId !== caller.workspaceId) continue;
        const times = { startedAt: task.startedAt / 1000, finishedAt: task.finishedAt / 1000, enqueuedAt: task.enqueuedAt / 1000 };
        return { appId: task.appId, info: { id: taskId, ...times } };
      }
      throw new LydianError("not_found", `There is no container "${taskId}", or it ended long ago.`);
    },

    async containerStop({ taskId, graceful }, { caller }) {
      if (caller.kind === "client" && (await dependencies.stopSandbox(taskId, caller.workspaceId))) return {};
      const container = pools.container(taskId);
      const own = caller.kind === "container" && caller.taskId === taskId;
      if (!own && container.fn?.workspaceId !== caller.workspaceId)
        throw new LydianError("not_found", `There is no container "${taskId}".`);
      pools.stopContainer(container, own ? "it asked to be stopped" : "it was stopped by a client", graceful ? undefined : 0);
      return {};
    },
  };
}

type Work = Pick<PoolsRpcDependencies, "pools" | "calls">;

/** What our own runtime asks. */
export function createRuntimeRpc(dependencies: Work): Handlers<typeof Runtime, Caller> {
  const { pools } = dependencies;
  const drains = new DrainWatch(() => pools.drain());
  return {
    async start(_request, { caller, signal }) {
      if (caller.kind !== "container") throw new LydianError("permission_denied", "Only a container may ask this.");
      return pools.argumentsFor(pools.container(caller.taskId), signal);
    },

    async functionGetInputs({ max, batchLingerMs }, context) {
      drains.note(context.draining);
      return deliveryColumns(await takeInputs(dependencies, { max: max || 1, lingerMs: batchLingerMs }, context));
    },

    async functionPutOutputs(request, { caller }) {
      await takeOutputs(dependencies, answersOf(request), caller);
      return {};
    },
  };
}

function heard({ pools, calls }: Work, caller: Caller): PoolContainer {
  if (caller.kind !== "container") throw new LydianError("permission_denied", "Only a container may ask this.");
  const container = pools.container(caller.taskId);
  container.heardAt = calls.clock.now();
  return container;
}

function serving(work: Work, caller: Caller): { container: PoolContainer; pool: Pool } {
  const container = heard(work, caller);
  const pool = work.pools.poolOf(container);
  if (pool === undefined) throw new LydianError("failed_precondition", "This container serves no function.");
  return { container, pool };
}

/** Inputs for a container that can start up to `max` of them, or the first of a batch and what comes while it lingers. */
async function takeInputs(
  work: Work,
  { max, lingerMs }: { readonly max: number; readonly lingerMs: number },
  context: CallContext<Caller>,
): Promise<readonly Delivery[]> {
  const { pools } = work;
  const { container, pool } = serving(work, context.caller);
  pools.asksForInputs(container);
  const key = context.headers["x-idempotency-key"];
  if (key !== undefined && container.lastFetch?.key === key) return container.lastFetch.items;
  if (container.abandoned.size > 0 && slotsOf(pool.fn.definition).max === 1)
    pools.watchdog.gaveUp(container, [...container.abandoned.keys()]);
  const lifetime = maxInputsOf(pool.fn.definition);
  const most = lifetime > 0 ? Math.min(max, Math.max(0, lifetime - container.taken)) : max;
  const first = await nextInputs(work, container, pool, most, context);
  const isWhole = !(lingerMs > 0) || first.length === 0 || first.length >= most || first[0]?.killSwitch === true;
  const items = isWhole ? first : await gather(work, { container, pool, first, max: most, lingerMs }, context);
  if (key !== undefined && items.length > 0) container.lastFetch = { key, items };
  return items;
}

/** Resolves when they are durable. */
async function takeOutputs(work: Work, outputs: readonly FunctionPutOutputsItem[], caller: Caller): Promise<void> {
  const { container, pool } = serving(work, caller);
  await work.calls.answer(container.taskId, outputs.map(answerOf));
  // A container with one slot shows that it has given up an input by asking for the next.
  if (container.abandoned.size > 0 && slotsOf(pool.fn.definition).max > 1)
    work.pools.watchdog.gaveUp(
      container,
      outputs.map(({ inputId }) => inputId),
    );
  pool.freed(container);
}

/** What is queued, at once; else waits until there is something. Answers a kill switch when the container is to leave. */
async function nextInputs(
  { calls }: Work,
  container: PoolContainer,
  pool: Pool,
  max: number,
  { signal, draining }: { readonly signal: AbortSignal; readonly draining: AbortSignal },
): Promise<readonly Delivery[]> {
  if (!container.live || max === 0) return [{ killSwitch: true }];
  if (draining.aborted) return [];
  // Only one fetch of a container waits: an earlier one was lost with its connection.
  const { fetch } = container;
  if (fetch !== undefined) {
    pool.unpark(container);
    fetch.answer([]);
  }
  const items = calls.take(pool.functionId, container.taskId, max);
  if (items.length > 0) {
    pool.handedOut(container, items);
    return items;
  }
  return new Promise((resolve) => {
    const answer = (given: readonly Delivery[]) => {
      calls.deadlines.cancel(deadline);
      signal.removeEventListener("abort", giveUp);
      resolve(given);
    };
    const giveUp = () => {
      if (container.fetch !== parked) return;
      pool.unpark(container);
      answer([]);
    };
    const parked = { max, answer };
    const deadline = calls.deadlines.add(calls.clock.now() + FETCH_HOLD_MS, giveUp);
    signal.addEventListener("abort", giveUp);
    container.fetch = parked;
    pool.park(container);
  });
}

/** The inputs of a batch that waits for more, for so long. */
function gather(
  { calls }: Work,
  {
    container,
    pool,
    first,
    max,
    lingerMs,
  }: { container: PoolContainer; pool: Pool; first: readonly Delivery[]; max: number; lingerMs: number },
  { signal, draining }: { readonly signal: AbortSignal; readonly draining: AbortSignal },
): Promise<readonly Delivery[]> {
  return new Promise((resolve) => {
    const done = () => {
      calls.deadlines.cancel(deadline);
      for (const reason of [signal, draining]) reason.removeEventListener("abort", done);
      pool.gathered(batch);
      resolve(batch.items);
    };
    const batch = new Batch({ container, first, max, done });
    const deadline = calls.deadlines.add(calls.clock.now() + lingerMs, done);
    for (const reason of [signal, draining]) reason.addEventListener("abort", done, { once: true });
    pool.gather(batch);
  });
}

function answerOf({ inputId, retryCount, result, dataFormat, inputStartedAt, outputCreatedAt }: FunctionPutOutputsItem): Answer {
  if (result === undefined) throw new LydianError("invalid_argument", `The output of input ${inputId} has no result.`);
  return { inputId, retryCount, result, format: dataFormat, startedAt: inputStartedAt, createdAt: outputCreatedAt };
}
