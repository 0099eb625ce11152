// Functions of the official Python client, run by its own runtime on the image's Python. A program of ours goes before it: it imports
// the client, asks what it is to be, and becomes that.
import { ContainerArgumentsSchema, create, type Function as FunctionDefinition, LydianError, toBinary } from "@lydian/protocol";
import type { CalledFunction } from "../../calls/functions-port.ts";
import type { PoolContainer } from "../container.ts";
import type { LaunchPlan } from "../launch.ts";
import { fitsDisk, limitsOf } from "../plan.ts";
import { functionEnvironment } from "./environment.ts";
import type { ClientPackagesPort, RuntimeParts } from "./ports.ts";
import type { RuntimeKind, StandbyKind, StartAnswer } from "./runtime-kind.ts";

export interface PythonRuntimeOptions extends RuntimeParts {
  readonly clients: ClientPackagesPort;
}

/** Where a container that was made for nobody finds the files of its function, to copy them to their places. */
const FILES = "/run/lydian/files";
/** Above this many files a container is made for the function, with the files as layers: copying would take longer. */
const MAX_COPIED_FILES = 500;
const BOOT = "/run/lydian/runtime/boot.py";
/** The official client looks for the user's code and for its own package there. */
const PYTHON_PATH = "/root:/pkg";
const DEFAULT_WORKDIR = "/root";

export class PythonRuntime implements RuntimeKind {
  readonly readyAt = "fetch";
  readonly #options: PythonRuntimeOptions;

  constructor(options: PythonRuntimeOptions) {
    this.#options = options;
  }

  whyImpossible(definition: FunctionDefinition): string | undefined {
    const { name, features } = this.#options.host;
    if (!features.images)
      return `Functions of the official Python client need containers with images of their own, which the container host "${name}" does not have. "lydian doctor" says what is missing.`;
    if (this.#clientVersion(definition) === undefined) return "The function brings no version of the client to run it with.";
    return undefined;
  }

  async prepare(definition: FunctionDefinition): Promise<void> {
    const impossible = this.whyImpossible(definition);
    if (impossible !== undefined)
      throw new LydianError(
        "failed_precondition",
        `The function ${JSON.stringify(definition.functionName)} cannot run here: ${impossible}`,
      );
    await this.#options.clients.layer(this.#clientVersion(definition) ?? "", definition.imageId);
  }

  async plan(definition: FunctionDefinition): Promise<LaunchPlan> {
    const { mounts } = this.#options;
    const layers = await Promise.all(this.#fileMounts(definition).map((mountId) => mounts.layer(mountId)));
    const plan = await this.#planOn(definition);
    return {
      ...plan,
      layers: [...layers, ...plan.layers],
      limits: limitsOf(definition),
      network: definition.blockNetwork ? "none" : "outbound",
      keepsFiles: definition.isBuilderFunction,
    };
  }

  standby(definition: FunctionDefinition): StandbyKind | undefined {
    if (definition.blockNetwork || definition.isBuilderFunction || !fitsDisk(definition) || this.#countFiles(definition) > MAX_COPIED_FILES)
      return undefined;
    return { key: `python ${definition.imageId} ${this.#clientVersion(definition)}`, plan: () => this.#planOn(definition) };
  }

  answer(container: PoolContainer, fn: CalledFunction): StartAnswer {
    const { apps } = this.#options;
    const { definition } = fn;
    const environment = apps.environmentName(fn.environmentId);
    const args = create(ContainerArgumentsSchema, {
      taskId: container.taskId,
      functionId: fn.id,
      appId: fn.appId,
      functionDef: definition,
      serializedParams: fn.params,
      environmentName: environment,
      appLayout: this.#layoutFor(fn),
    });
    return {
      containerArguments: toBinary(ContainerArgumentsSchema, args),
      env: functionEnvironment(this.#options, fn),
    };
  }

  /** The runtime looks up all that the definition depends on in the layout, images and secrets too. */
  #layoutFor({ appId, definition }: CalledFunction) {
    const layout = this.#options.apps.layout(appId);
    const objects = layout.objects ?? [];
    const known = new Set(objects.map(({ objectId }) => objectId));
    const others = definition.objectDependencies.filter(({ objectId }) => !known.has(objectId));
    return { ...layout, objects: [...objects, ...others.map(({ objectId }) => ({ objectId }))] };
  }

  async #planOn(definition: FunctionDefinition): Promise<LaunchPlan> {
    const { images, clients } = this.#options;
    const { imageId } = definition;
    const client = await clients.layer(this.#clientVersion(definition) ?? "", imageId);
    const rootfs = images.rootfs(imageId);
    if (rootfs === undefined) throw new Error(`the image ${imageId} was not built, or was deleted`);
    const { env, entrypoint } = rootfs;
    return {
      layers: [client.layer, ...rootfs.layers],
      command: [client.python, "-u", BOOT],
      entrypoint,
      env: { ...env, PYTHONPATH: env.PYTHONPATH === undefined ? PYTHON_PATH : `${PYTHON_PATH}:${env.PYTHONPATH}` },
      workdir: rootfs.workdir ?? DEFAULT_WORKDIR,
      limits: {},
      network: "outbound",
      files: { prefix: "/", target: FILES },
      linkedMountIds: [],
    };
  }

  #clientVersion({ mountIds }: FunctionDefinition): string | undefined {
    for (const mountId of mountIds) {
      const version = this.#options.mounts.clientVersion(mountId);
      if (version !== undefined) return version;
    }
    return undefined;
  }

  #fileMounts({ mountIds }: FunctionDefinition): string[] {
    return mountIds.filter((mountId) => this.#options.mounts.clientVersion(mountId) === undefined);
  }

  #countFiles(definition: FunctionDefinition): number {
    return this.#fileMounts(definition).reduce((sum, mountId) => sum + this.#options.mounts.files(mountId).length, 0);
  }
}
