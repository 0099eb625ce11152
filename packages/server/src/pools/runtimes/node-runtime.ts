// Functions of our own runtime: their code is a bundle under /app, run by the image's Node.
import type { Function as FunctionDefinition } from "@lydian/protocol";
import { type CalledFunction, MAX_INLINE_BYTES, slotsOf, timeoutMsOf } from "../../calls/functions-port.ts";
import { classArguments } from "../../classes/class-arguments.ts";
import type { PoolContainer } from "../container.ts";
import type { LaunchPlan } from "../launch.ts";
import { fitsDisk, limitsOf, maxInputsOf } from "../plan.ts";
import { functionEnvironment } from "./environment.ts";
import type { RootFilesystem, RuntimeParts } from "./ports.ts";
import type { RuntimeKind, StandbyKind, StartAnswer } from "./runtime-kind.ts";

const FILES = "/app/";
const COMMAND = ["node", "/run/lydian/runtime/runtime.mjs"];
const ENVIRONMENT = { LYDIAN_IS_REMOTE: "1" };

export class NodeRuntime implements RuntimeKind {
  readonly readyAt = "hello";
  readonly #options: RuntimeParts;

  constructor(options: RuntimeParts) {
    this.#options = options;
  }

  whyImpossible(definition: FunctionDefinition): string | undefined {
    const { features } = this.#options.host;
    if (definition.blockNetwork && !features.networkIsolation)
      return "The function blocks the network, which this container host cannot do.";
    if (!features.images && this.#outside(definition).length > 0)
      return "The function has files outside /app, which this container host cannot place.";
    return undefined;
  }

  /** Its code is in the image and in its mounts: there is nothing to make. */
  async prepare(): Promise<void> {}

  async plan(definition: FunctionDefinition): Promise<LaunchPlan> {
    const { mounts } = this.#options;
    const rootfs = this.#rootfs(definition);
    const layers = await Promise.all(this.#outside(definition).map((mountId) => mounts.layer(mountId)));
    return {
      ...planOn({ ...rootfs, layers: [...layers, ...rootfs.layers] }),
      limits: limitsOf(definition),
      network: definition.blockNetwork ? "none" : "outbound",
      linkedMountIds: definition.mountIds,
    };
  }

  standby(definition: FunctionDefinition): StandbyKind | undefined {
    if (definition.blockNetwork || !fitsDisk(definition) || this.#outside(definition).length > 0) return undefined;
    return { key: `node ${definition.imageId}`, plan: async () => planOn(this.#rootfs(definition)) };
  }

  answer(container: PoolContainer, fn: CalledFunction): StartAnswer {
    const { apps, host } = this.#options;
    const { definition } = fn;
    const environment = apps.environmentName(fn.environmentId);
    return {
      functionId: fn.id,
      appId: fn.appId,
      environment,
      functionIds: { ...apps.layout(fn.appId).functionIds },
      // Without a file system of its own the container finds its code where it really lies.
      module: host.features.images ? definition.moduleName : definition.moduleName.replace(/^\/app(?=\/)/, container.filesDir),
      appName: definition.appName,
      functionName: definition.functionName,
      timeoutSecs: timeoutMsOf(definition) / 1000,
      slots: slotsOf(definition).max,
      maxInputs: maxInputsOf(definition),
      batchMaxSize: definition.batchMaxSize,
      batchLingerMs: Number(definition.batchLingerMs),
      classArguments: classArguments(fn.params),
      maxInlineBytes: BigInt(MAX_INLINE_BYTES),
      env: functionEnvironment(this.#options, fn),
    };
  }

  #rootfs({ imageId }: FunctionDefinition): RootFilesystem {
    const { images, host } = this.#options;
    const rootfs = images.rootfs(imageId);
    if (rootfs === undefined) throw new Error(`the image ${imageId} was not built, or was deleted`);
    // Its program is a file of the image.
    return host.features.images ? rootfs : { ...rootfs, entrypoint: [] };
  }

  #outside({ mountIds }: FunctionDefinition): string[] {
    const { mounts } = this.#options;
    return mountIds.filter((mountId) => mounts.files(mountId).some(({ path }) => !path.startsWith(FILES)));
  }
}

function planOn({ layers, env, workdir, entrypoint }: RootFilesystem): LaunchPlan {
  return {
    layers,
    command: COMMAND,
    entrypoint,
    env: { ...env, ...ENVIRONMENT },
    workdir,
    limits: {},
    network: "outbound",
    files: { prefix: FILES, target: "/app" },
    linkedMountIds: [],
  };
}
