// Further containers of sandboxes on the wire: made by the control plane or by the command router, looked after by the latter.
import {
  create,
  type Handlers,
  LydianError,
  type ModalClient,
  type Sandbox as SandboxDefinition,
  SandboxSchema,
  type SecretSource,
  type TaskCommandRouter,
} from "@lydian/protocol";
import { type FindHome, routerHome } from "../execs/router-home.ts";
import type { Caller } from "../identity/caller.ts";
import type { Images } from "../images/images.ts";
import type { Mounts } from "../mounts/mounts.ts";
import type { Secrets, Variables } from "../secrets/secrets.ts";
import { resolveSandbox } from "./definition.ts";
import { baseEnvironment, variablesOf } from "./environment.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Sidecar } from "./sidecar.ts";
import type { Sidecars } from "./sidecars.ts";

export interface SidecarsRpcDependencies {
  readonly sidecars: Sidecars;
  readonly images: Images;
  readonly mounts: Mounts;
  readonly secrets: Secrets;
}

interface CreateRequest {
  readonly name: string;
  readonly definition: SandboxDefinition;
  readonly secretSources: readonly SecretSource[];
  readonly variables: Variables;
  readonly idempotencyKey: string;
}

const MAX_HOLD_SECONDS = 60;
const DEFAULT_WORKDIR = "/";

export function createSidecarsRpc(
  dependencies: SidecarsRpcDependencies & { readonly live: (sandboxId: string, workspaceId: string) => Sandbox },
): Partial<Handlers<typeof ModalClient, Caller>> {
  return {
    async sandboxContainerCreateV2(request, { caller, headers }) {
      const { sandboxId, containerName, definition, secretSources, ephemeralSecrets, cloudBucketMountCredentials } = request;
      if (Object.keys(cloudBucketMountCredentials).length > 0)
        throw new LydianError("unimplemented", "This server does not offer bucket mounts yet.");
      if (definition === undefined) throw new LydianError("invalid_argument", "The request has no definition of a container.");
      const sandbox = dependencies.live(sandboxId, caller.workspaceId);
      const variables = ephemeralSecrets?.contents ?? {};
      const idempotencyKey = headers["x-idempotency-key"] ?? "";
      const made = await make(dependencies, sandbox, { name: containerName, definition, secretSources, variables, idempotencyKey });
      return { containerId: made.id, containerName: made.name };
    },
  };
}

export function createSidecarsRouterRpc(
  dependencies: SidecarsRpcDependencies & { readonly home: FindHome; readonly sandboxOf: (taskId: string) => Sandbox },
): Partial<Handlers<typeof TaskCommandRouter, Caller>> {
  const { sidecars, sandboxOf } = dependencies;
  const homeOf = routerHome(dependencies.home);

  return {
    async taskContainerCreate(request, context) {
      const { taskId, containerName, imageId, args, env, workdir, secretIds, volumeMounts, networkAccess, ptyInfo, secretSources } =
        request;
      homeOf(context, taskId);
      const definition = create(SandboxSchema, {
        ...{ imageId, entrypointArgs: args, workdir, secretIds, volumeMounts },
        ...(networkAccess !== undefined && { networkAccess }),
        ...(ptyInfo !== undefined && { ptyInfo }),
      });
      const idempotencyKey = context.headers["x-idempotency-key"] ?? "";
      const made = await make(dependencies, sandboxOf(taskId), {
        name: containerName,
        definition,
        secretSources,
        variables: env,
        idempotencyKey,
      });
      return { containerId: made.id, containerName: made.name };
    },

    taskContainerGet({ taskId, containerName, includeTerminated }, context) {
      homeOf(context, taskId);
      return { container: infoOf(sidecars.named(sandboxOf(taskId), containerName, includeTerminated)) };
    },

    taskContainerList({ taskId, includeTerminated }, context) {
      homeOf(context, taskId);
      return { containers: sidecars.list(sandboxOf(taskId), includeTerminated).map(infoOf) };
    },

    async taskContainerWait({ taskId, containerId, timeout }, context) {
      homeOf(context, taskId);
      const sidecar = sidecars.require(sandboxOf(taskId), containerId);
      const holdMs = Math.min(Math.max(0, timeout), MAX_HOLD_SECONDS) * 1000;
      await sidecars.wait(sidecar, holdMs, context.signal, context.draining);
      return resultOf(sidecar);
    },

    async taskContainerTerminate({ taskId, containerId }, context) {
      homeOf(context, taskId);
      await sidecars.terminate(sidecars.require(sandboxOf(taskId), containerId), "It was terminated by a client.");
      return {};
    },
  };
}

async function make(
  { sidecars, images, mounts, secrets }: SidecarsRpcDependencies,
  sandbox: Sandbox,
  { name, definition, secretSources, variables, idempotencyKey }: CreateRequest,
): Promise<Sidecar> {
  const { workspaceId } = sandbox;
  const resolved = resolveSandbox(definition);
  images.require(resolved.imageId, workspaceId);
  for (const mountId of resolved.mountIds) mounts.require(mountId, workspaceId);
  const rootfs = images.rootfs(resolved.imageId);
  if (rootfs === undefined)
    throw new LydianError("failed_precondition", `The image ${resolved.imageId} of the container is not built.`, {
      hint: "Build it first.",
    });
  const { secretIds } = definition;
  return sidecars.create(sandbox, {
    name,
    resolved,
    env: { ...baseEnvironment(rootfs.env), ...variablesOf({ secretSources, secretIds, variables }, workspaceId, secrets) },
    workdir: resolved.workdir ?? rootfs.workdir ?? DEFAULT_WORKDIR,
    idempotencyKey,
  });
}

/** A result that is there means that it has ended. */
function resultOf({ removed, end }: Sidecar) {
  if (!removed || end === undefined) return {};
  const { status, exitCode: exitcode, exception } = end;
  return { result: { status, exitcode, exception } };
}

function infoOf(sidecar: Sidecar) {
  const { id: containerId, name: containerName, status } = sidecar;
  return { containerId, containerName, status, ...resultOf(sidecar) };
}
