// Makes a container that runs our runtime: its directories, its socket, its process.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Container, ContainerHost, Limits } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { FunctionRecord } from "../functions/functions.ts";
import type { RootFilesystem } from "../images/images.ts";
import { containerLimits } from "./settings.ts";
import type { PoolContainer } from "./pool-container.ts";

export const APP_PREFIX = "/app/";
const RUN_TARGET = "/run/lydian";
const RUNTIME_TARGET = "/run/lydian/runtime";
const RUNTIME_PROGRAM = `${RUNTIME_TARGET}/runtime.mjs`;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface LaunchDependencies {
  readonly host: ContainerHost;
  readonly images: { rootfs(imageId: string): RootFilesystem | undefined };
  readonly mounts: {
    files(mountId: string): readonly { readonly path: string }[];
    layer(mountId: string): Promise<string>;
    linkInto(mountId: string, prefix: string, dir: string): Promise<void>;
  };
  /** Opens a socket whose callers are the container with this id. */
  readonly listen: (path: string, taskId: string) => Promise<{ close(): Promise<void> }>;
  /** Holds runtime.mjs. */
  readonly runtimeDir: string;
}

/** Something that was opened for a container and must be closed after it. */
export interface Launched {
  readonly container: Container;
  /** Closes the socket and removes everything. Never rejects. */
  dispose(): Promise<void>;
}

export const appDir = (dir: string): string => join(dir, "app");

/** Whether a standby container, which has only /app to offer, can become this function. */
export function fitsStandby({ definition }: FunctionRecord, mounts: LaunchDependencies["mounts"]): boolean {
  if (definition.blockNetwork || (definition.resources?.ephemeralDiskMb ?? 0) > 0) return false;
  return definition.mountIds.every((id) => mounts.files(id).every(({ path }) => path.startsWith(APP_PREFIX)));
}

/** Puts the function's files under /app/ where the container sees them. */
export async function placeFiles({ mounts }: LaunchDependencies, { definition }: FunctionRecord, dir: string): Promise<void> {
  for (const id of definition.mountIds) await mounts.linkInto(id, APP_PREFIX, appDir(dir));
}

/** Starts the container's process. Rejects with the reason, having cleaned up. */
export async function launch(dependencies: LaunchDependencies, target: PoolContainer, environmentName: string): Promise<Launched> {
  const { host, images, mounts, listen, runtimeDir } = dependencies;
  const { dir, record, taskId, imageId } = target;
  const rootfs = images.rootfs(imageId);
  if (!rootfs) throw new LydianError("failed_precondition", `The image ${imageId} is not there any more; run the app again to build it.`);
  let listener: { close(): Promise<void> } | undefined;
  let container: Container | undefined;
  const dispose = async () => {
    await container?.remove().catch(() => undefined);
    await listener?.close().catch(() => undefined);
    await rm(dir, { recursive: true, force: true }).catch(() => undefined);
  };
  try {
    const socketDir = join(dir, "run");
    await Promise.all([mkdir(join(socketDir, "runtime"), { recursive: true }), mkdir(appDir(dir), { recursive: true })]);
    const mountLayers: string[] = [];
    if (record) {
      await placeFiles(dependencies, record, dir);
      for (const id of record.definition.mountIds) {
        if (mounts.files(id).some(({ path }) => !path.startsWith(APP_PREFIX))) mountLayers.unshift(await mounts.layer(id));
      }
    }
    listener = await listen(join(socketDir, "api.sock"), taskId);
    container = await host.start({
      id: taskId,
      layers: [...mountLayers, ...rootfs.layers],
      command: ["node", RUNTIME_PROGRAM],
      env: {
        PATH: DEFAULT_PATH,
        HOME: "/root",
        ...rootfs.env,
        LYDIAN_IS_REMOTE: "1",
        MODAL_IS_REMOTE: "1",
        MODAL_SERVER_URL: `unix://${RUN_TARGET}/api.sock`,
        MODAL_TASK_ID: taskId,
        MODAL_ENVIRONMENT: environmentName,
      },
      workdir: rootfs.workdir ?? "/",
      limits: record ? containerLimits(record.definition) : ({} satisfies Limits),
      network: record?.definition.blockNetwork ? "none" : "outbound",
      binds: [
        { source: socketDir, target: RUN_TARGET, readOnly: true },
        { source: runtimeDir, target: RUNTIME_TARGET, readOnly: true },
        { source: appDir(dir), target: "/app", readOnly: true },
      ],
    });
    return { container, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
