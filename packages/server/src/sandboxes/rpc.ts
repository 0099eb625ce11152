// Sandboxes on the wire. Two generations of clients call the same things by two names.
import type { ContainerHost } from "@lydian/containers";
import {
  type CallContext,
  type Handlers,
  LydianError,
  type ModalClient,
  type Sandbox as SandboxDefinition,
  type SandboxTag,
  type SecretSource,
} from "@lydian/protocol";
import type { Apps } from "../apps/apps.ts";
import { type RouterTokens, routerUrl } from "../execs/router-access.ts";
import type { Caller } from "../identity/caller.ts";
import type { Environments } from "../identity/environments.ts";
import type { Images } from "../images/images.ts";
import type { Mounts } from "../mounts/mounts.ts";
import type { Secrets, Variables } from "../secrets/secrets.ts";
import { tunnelToWire } from "../tunnels/rpc.ts";
import type { Tunnels } from "../tunnels/tunnels.ts";
import { resolveSandbox } from "./definition.ts";
import { baseEnvironment, variablesOf } from "./environment.ts";
import { isolationOf } from "./isolation.ts";
import type { SandboxResult } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Sandboxes } from "./sandboxes.ts";
import { logBatches } from "./stdio.ts";
import type { SandboxRecord } from "./store.ts";
import { tagsOf, tagsToWire } from "./tags.ts";

export interface SandboxesRpcDependencies {
  readonly host: Pick<ContainerHost, "features">;
  readonly sandboxes: Sandboxes;
  readonly apps: Apps;
  readonly environments: Environments;
  readonly images: Images;
  readonly mounts: Mounts;
  readonly secrets: Secrets;
  readonly routerTokens: RouterTokens;
  readonly tunnels: Tunnels;
  /** Throws unless the container runs and is the workspace's. */
  readonly requireTask: (taskId: string, workspaceId: string) => void;
}

/** Clients ask again after less. */
const MAX_HOLD_SECONDS = 60;
const PAGE = 100;
const DEFAULT_WORKDIR = "/";

type Rpc = Handlers<typeof ModalClient, Caller>;

export function createSandboxesRpc(dependencies: SandboxesRpcDependencies): Partial<Rpc> {
  const { sandboxes, apps, environments, routerTokens, requireTask, tunnels } = dependencies;

  const access = (taskId: string, context: CallContext<Caller>) => ({
    jwt: routerTokens.issue(taskId, context.caller.workspaceId),
    url: routerUrl(context),
  });

  const wait: Rpc["sandboxWait"] = async ({ sandboxId, timeout }, { caller, signal, draining }) => {
    const record = sandboxes.require(sandboxId, caller.workspaceId);
    const result = await sandboxes.wait(record, holdMs(timeout), signal, draining);
    return { ...(result && { result: resultOf(result) }), metadata: metadataOf(record, result) };
  };

  const terminate: Rpc["sandboxTerminate"] = async ({ sandboxId }, { caller }) => {
    const existing = await sandboxes.terminate(sandboxes.require(sandboxId, caller.workspaceId), "It was terminated by a client.");
    return existing === undefined ? {} : { existingResult: resultOf(existing) };
  };

  const getTaskId: Rpc["sandboxGetTaskId"] = async ({ sandboxId, waitUntilReady, timeout }, { caller, signal, draining }) => {
    const record = sandboxes.require(sandboxId, caller.workspaceId);
    if (waitUntilReady)
      await sandboxes.ready(sandboxes.live(sandboxId, caller.workspaceId), holdMs(timeout ?? MAX_HOLD_SECONDS), signal, draining);
    return { taskId: record.taskId };
  };

  const list: Rpc["sandboxList"] = ({ appId, environmentName, beforeTimestamp, tags }, { caller }) => {
    const { workspaceId } = caller;
    if (appId !== "") apps.require(appId, workspaceId);
    const environmentId = appId !== "" ? "" : environments.require(workspaceId, environmentName).id;
    const createdBefore = Math.round(beforeTimestamp * 1000);
    const found = sandboxes.list({ workspaceId, appId, environmentId, tags: tagsOf(tags), createdBefore }, PAGE);
    return { sandboxes: found.map((sandbox) => ({ ...infoOf(sandbox), tunnels: tunnels.list(sandbox.taskId).map(tunnelToWire) })) };
  };

  const fromName: Rpc["sandboxGetFromName"] = ({ sandboxName, environmentName, appName, includeTerminated }, { caller }) => {
    const environment = environments.require(caller.workspaceId, environmentName);
    const app =
      apps.deployed(environment.id, appName) ?? (includeTerminated ? apps.previouslyDeployed(environment.id, appName) : undefined);
    const record = app && sandboxes.byName(app.id, sandboxName, includeTerminated);
    if (record === undefined)
      throw new LydianError(
        "not_found",
        `Sandbox ${JSON.stringify(sandboxName.slice(0, 100))} not found in the app ${JSON.stringify(appName.slice(0, 100))}${includeTerminated ? "" : ": none of this name runs"}.`,
      );
    return { sandboxId: record.id, metadata: metadataOf(record, record.result) };
  };

  const tagsGet: Rpc["sandboxTagsGet"] = ({ sandboxId }, { caller }) => ({
    tags: tagsToWire(sandboxes.require(sandboxId, caller.workspaceId).tags),
  });

  const tagsSet: Rpc["sandboxTagsSet"] = async ({ sandboxId, tags }, { caller }) => {
    await sandboxes.setTags(sandboxes.require(sandboxId, caller.workspaceId), tagsOf(tags));
    return {};
  };

  return {
    async sandboxCreate({ appId, definition, tags }, context) {
      const record = await create(dependencies, { generation: 1, appId, definition, tags, secretSources: [], variables: {} }, context);
      return { sandboxId: record.id, metadata: metadataOf(record, undefined) };
    },

    async sandboxCreateV2({ appId, definition, tags, secretSources, ephemeralSecrets, cloudBucketMountCredentials }, context) {
      if (Object.keys(cloudBucketMountCredentials).length > 0)
        throw new LydianError("unimplemented", "This server does not offer bucket mounts yet.");
      const variables = ephemeralSecrets?.contents ?? {};
      const record = await create(dependencies, { generation: 2, appId, definition, tags, secretSources, variables }, context);
      return {
        sandboxId: record.id,
        taskId: record.taskId,
        metadata: metadataOf(record, undefined),
        commandRouterAccess: access(record.taskId, context),
      };
    },

    sandboxWait: wait,
    sandboxWaitV2: wait,
    sandboxTerminate: terminate,
    sandboxTerminateV2: terminate,
    sandboxGetTaskId: getTaskId,
    sandboxGetTaskIdV2: getTaskId,
    sandboxList: list,
    sandboxListV2: list,
    sandboxGetFromName: fromName,
    sandboxGetFromNameV2: fromName,
    sandboxTagsGet: tagsGet,
    sandboxTagsGetV2: tagsGet,
    sandboxTagsSet: tagsSet,
    sandboxTagsSetV2: tagsSet,

    async sandboxWaitUntilReady({ sandboxId, timeout }, { caller, signal, draining }) {
      const sandbox = sandboxes.live(sandboxId, caller.workspaceId);
      try {
        return { readyAt: (await sandboxes.ready(sandbox, holdMs(timeout), signal, draining)) / 1000 };
      } catch (error) {
        // Nothing yet: those clients count the time themselves.
        if (LydianError.is(error) && error.code === "deadline_exceeded") return {};
        throw error;
      }
    },

    // Clients that look for one are told of it in the words of their own error.
    proxyGet({ name }) {
      const shown = name.slice(0, 100);
      throw new LydianError("not_found", `Proxy '${shown}' not found: this server offers no proxies yet.`, {
        hint: "Leave it out: sandboxes reach others from this machine's own address.",
      });
    },

    async sandboxSetName({ sandboxId, name }, { caller }) {
      await sandboxes.setName(sandboxes.require(sandboxId, caller.workspaceId), name);
      return {};
    },

    async *sandboxGetLogs({ sandboxId, fileDescriptor, timeout, lastEntryId }, { caller, signal, draining }) {
      const sandbox = sandboxes.live(sandboxId, caller.workspaceId);
      yield* logBatches(sandbox, { fileDescriptor, lastEntryId, holdMs: holdMs(timeout) }, signal, draining);
    },

    async sandboxStdinWrite({ sandboxId, input, index, eof }, { caller }) {
      const sandbox = sandboxes.live(sandboxId, caller.workspaceId);
      using _use = sandbox.use();
      await sandbox.indexedInput.write(index, input, eof);
      return {};
    },

    sandboxGetCommandRouterAccess({ target }, context) {
      const { workspaceId } = context.caller;
      if (target.case === "sandboxId") return access(sandboxes.require(target.value, workspaceId).taskId, context);
      const taskId = target.value ?? "";
      requireTask(taskId, workspaceId);
      return access(taskId, context);
    },

    taskGetCommandRouterAccess({ taskId }, context) {
      requireTask(taskId, context.caller.workspaceId);
      return access(taskId, context);
    },
  };
}

interface CreateRequest {
  readonly generation: 1 | 2;
  readonly appId: string;
  readonly definition: SandboxDefinition | undefined;
  readonly tags: readonly SandboxTag[];
  readonly secretSources: readonly SecretSource[];
  readonly variables: Variables;
}

async function create(
  { host, sandboxes, apps, images, mounts, secrets }: SandboxesRpcDependencies,
  { generation, appId, definition, tags, secretSources, variables }: CreateRequest,
  { caller, headers }: CallContext<Caller>,
): Promise<SandboxRecord> {
  if (definition === undefined) throw new LydianError("invalid_argument", "The request has no definition of a sandbox.");
  const { workspaceId } = caller;
  const app = apps.requireLive(appId, workspaceId);
  const resolved = resolveSandbox(definition);
  isolationOf(resolved.runtime, host.features);
  images.require(resolved.imageId, workspaceId);
  for (const mountId of resolved.mountIds) mounts.require(mountId, workspaceId);
  const rootfs = images.rootfs(resolved.imageId);
  if (rootfs === undefined)
    throw new LydianError("failed_precondition", `The image ${resolved.imageId} of the sandbox is not built.`, { hint: "Build it first." });
  const { secretIds } = definition;
  return sandboxes.create({
    generation,
    workspaceId,
    environmentId: app.environmentId,
    appId,
    resolved,
    env: { ...baseEnvironment(rootfs.env), ...variablesOf({ secretSources, secretIds, variables }, workspaceId, secrets) },
    workdir: resolved.workdir ?? rootfs.workdir ?? DEFAULT_WORKDIR,
    tags: tagsOf(tags),
    idempotencyKey: headers["x-idempotency-key"] ?? "",
  });
}

function resultOf({ status, exitCode: exitcode, exception }: SandboxResult) {
  return { status, exitcode, exception };
}

/** A result that is there means that it has ended. */
function metadataOf({ appId }: SandboxRecord, result: SandboxResult | undefined) {
  return { appId, ...(result !== undefined && { result: resultOf(result) }) };
}

function infoOf({ record, resolved, startedAt, readyAt, isolation }: Sandbox) {
  const { id, taskId, appId, name, imageId, createdAt, tags } = record;
  return {
    id,
    appId,
    name,
    imageId,
    tags: tagsToWire(tags),
    createdAt: createdAt / 1000,
    taskInfo: { id: taskId, startedAt: startedAt / 1000, enqueuedAt: createdAt / 1000 },
    timeoutSecs: resolved.timeoutMs / 1000,
    ...(resolved.idleTimeoutMs > 0 && { idleTimeoutSecs: resolved.idleTimeoutMs / 1000 }),
    ...(readyAt > 0 && { readyAt: readyAt / 1000 }),
    ...(resolved.probe !== undefined && { readinessProbe: resolved.probe }),
    metadata: { appId },
    lydianIsolation: isolation,
  };
}

const holdMs = (seconds: number): number => Math.min(Math.max(0, seconds), MAX_HOLD_SECONDS) * 1000;
