// From a function's definition to what its container needs, or the reason why it cannot have one here.
import type { HostFeatures, Limits } from "@lydian/containers";
import type { Function as FunctionDefinition } from "@lydian/protocol";
import { OUR_RUNTIME } from "../functions/refusals.ts";
import type { LaunchPlan } from "./launch.ts";
import type { PoolBounds } from "./policy.ts";

/** Above this a pool has as many as the machine takes. */
const DEFAULT_MAX_CONTAINERS = 100;
const DEFAULT_SCALEDOWN_SECONDS = 60;
const DEFAULT_STARTUP_SECONDS = 300;
const DEFAULT_DISK_MIB = 10_240;

export interface RootFilesystem {
  readonly layers: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir?: string;
}

export interface MountsPort {
  files(mountId: string): readonly { readonly path: string }[];
  layer(mountId: string): Promise<string>;
  linkInto(mountId: string, prefix: string, dir: string): Promise<void>;
}

export interface ImagesPort {
  rootfs(imageId: string): RootFilesystem | undefined;
}

export function boundsOf(definition: FunctionDefinition): PoolBounds {
  const settings = definition.autoscalerSettings;
  const maxContainers = settings?.maxContainers || definition.concurrencyLimit || DEFAULT_MAX_CONTAINERS;
  const scaledownSeconds = settings?.scaledownWindow ?? (definition.taskIdleTimeoutSecs || DEFAULT_SCALEDOWN_SECONDS);
  return {
    minContainers: Math.min(settings?.minContainers ?? definition.warmPoolSize, maxContainers),
    maxContainers,
    bufferContainers: settings?.bufferContainers ?? 0,
    scaledownWindowMs: scaledownSeconds * 1000,
  };
}

/** Inputs a container takes in its life; 0 is no bound. */
export function maxInputsOf(definition: FunctionDefinition): number {
  return definition.singleUseContainers ? 1 : definition.maxInputs;
}

export function startupMsOf(definition: FunctionDefinition): number {
  return (definition.startupTimeoutSecs || DEFAULT_STARTUP_SECONDS) * 1000;
}

/** A memory request is also the limit unless another is given: one container must not take the machine down. */
export function limitsOf(definition: FunctionDefinition): Limits {
  const { milliCpuMax = 0, memoryMbMax = 0, memoryMb = 0, ephemeralDiskMb = 0 } = definition.resources ?? {};
  const memoryMiB = memoryMbMax || memoryMb;
  return {
    ...(milliCpuMax > 0 && { cpu: milliCpuMax / 1000 }),
    ...(memoryMiB > 0 && { memoryMiB }),
    ...(ephemeralDiskMb > 0 && { diskMiB: ephemeralDiskMb }),
  };
}

export interface SecretsPort {
  /** The first of these that no longer exists. */
  missing(ids: readonly string[]): string | undefined;
  /** Their variables; of one name the last counts. */
  environment(ids: readonly string[]): Record<string, string>;
}

/** Why a container of this function cannot exist on this host; undefined when it can. */
export function whyImpossible(
  definition: FunctionDefinition,
  features: HostFeatures,
  mounts: MountsPort,
  images: ImagesPort,
  secrets: SecretsPort,
): string | undefined {
  if (definition.runtime !== OUR_RUNTIME) {
    return `Functions of the runtime "${definition.runtime || "python"}" are not served yet; "${OUR_RUNTIME}" is.`;
  }
  if (definition.imageId === "") return "The function names no image.";
  if (images.rootfs(definition.imageId) === undefined) return `The image ${definition.imageId} is not built.`;
  const gone = secrets.missing(definition.secretIds);
  if (gone !== undefined) return `The secret ${gone} of the function no longer exists.`;
  if (definition.blockNetwork && !features.networkIsolation) return "The function blocks the network, which this container host cannot do.";
  if (!features.images && outside(definition, mounts).length > 0)
    return "The function has files outside /app, which this container host cannot place.";
  return undefined;
}

export async function planOf(definition: FunctionDefinition, mounts: MountsPort, images: ImagesPort): Promise<LaunchPlan> {
  const rootfs = images.rootfs(definition.imageId);
  if (rootfs === undefined) throw new Error(`the image ${definition.imageId} is not built`);
  const layers = await Promise.all(outside(definition, mounts).map((mountId) => mounts.layer(mountId)));
  return {
    layers: [...layers, ...rootfs.layers],
    env: rootfs.env,
    workdir: rootfs.workdir,
    limits: limitsOf(definition),
    network: definition.blockNetwork ? "none" : "outbound",
    mountIds: definition.mountIds,
  };
}

/** Whether a container that was started for nobody can become one of this function. */
export function fitsStandby(definition: FunctionDefinition, mounts: MountsPort): boolean {
  const { diskMiB = 0 } = limitsOf(definition);
  return (
    definition.runtime === OUR_RUNTIME &&
    !definition.blockNetwork &&
    diskMiB <= DEFAULT_DISK_MIB &&
    outside(definition, mounts).length === 0
  );
}

function outside({ mountIds }: FunctionDefinition, mounts: MountsPort): string[] {
  return mountIds.filter((mountId) => mounts.files(mountId).some(({ path }) => !path.startsWith("/app/")));
}
