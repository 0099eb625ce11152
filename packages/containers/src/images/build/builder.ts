// Builds an image instruction by instruction. The key of each layer is a hash of the layers below it and of all that
// the instruction depends on, so a recipe finds again what any recipe with the same beginning has made.
import { dirname } from "node:path";
import type { ContainerHost } from "../../host.ts";
import type { BaseImages } from "../bases/base-images.ts";
import { configuredNpmRegistry } from "../bases/npm-package.ts";
import type { Instruction, Run } from "../dockerfile/instructions.ts";
import { parseDockerfile } from "../dockerfile/parse.ts";
import { ImageError, throwIfCancelled } from "../errors.ts";
import type { BuiltImage, OnBuildLog } from "../image.ts";
import { type ImagePython, inspectPython } from "../inspect-python.ts";
import { layerKey } from "../keys.ts";
import type { LayerStore } from "../layer-store.ts";
import { buildEnvironment } from "./build-environment.ts";
import { BuildState } from "./build-state.ts";
import type { BuildSecrets, ImageRecipe } from "./context.ts";
import { contextImage } from "./context-images.ts";
import type { SourceImage } from "./copy-from.ts";
import { type CopyStep, prepareCopy } from "./copy-step.ts";
import { hostPipVariables } from "./pip-configuration.ts";
import { makeMounts, type PreparedMount, prepareMounts } from "./run-mounts.ts";
import { asUser, runStep } from "./run-step.ts";
import { Stages } from "./stages.ts";

export interface ImageBuilderOptions {
  readonly store: LayerStore;
  readonly host: ContainerHost;
  readonly bases: BaseImages;
  /** Registry for npm in build steps. Default: what npm on this machine is configured to use. */
  readonly npmRegistry?: string;
}

export interface BuildOptions {
  readonly onLog: OnBuildLog;
  readonly signal?: AbortSignal;
}

/** An overlay mount lists all layers in one page of options. */
const MAX_LAYERS = 60;

/** Makes the layer of an instruction. Answers false when it may only be looked up and is not there. */
type Layer = (id: string, title: string, make: (target: string, signal: AbortSignal) => Promise<void>) => Promise<boolean>;

export class ImageBuilder {
  readonly #options: ImageBuilderOptions;
  #npmRegistry: Promise<string | undefined> | undefined;

  constructor(options: ImageBuilderOptions) {
    this.#options = options;
  }

  /** Throws ImageError "invalid" when the recipe cannot be built wherever it runs. */
  check(recipe: ImageRecipe): void {
    parseDockerfile(recipe.lines.join("\n"));
  }

  /** The image when nothing has to be run, fetched or copied for it. Nothing is changed. */
  async cached(recipe: ImageRecipe): Promise<BuiltImage | undefined> {
    return this.#walk(recipe, {
      base: async (name) =>
        this.#options.host.features.images ? this.#options.bases.remembered(name, recipe.login) : BuildState.withoutFiles(),
      layer: (id) => this.#options.store.has(id),
      onLog: () => {},
    });
  }

  /** Builds what is missing. Throws ImageError; a failed step's message has its command, last output and exit code. */
  async build(recipe: ImageRecipe, options: BuildOptions): Promise<BuiltImage> {
    const { store, host, bases } = this.#options;
    const { onLog, signal } = options;
    const withSignal = signal === undefined ? {} : { signal };
    const image = await this.#walk(recipe, {
      base: async (name) =>
        host.features.images
          ? bases.resolve(name, { onLog, ...withSignal, ...(recipe.login && { login: recipe.login }), refresh: recipe.salt !== undefined })
          : BuildState.withoutFiles(),
      layer: async (id, title, make) => {
        const onShared = (): void => onLog({ stream: "info", text: `${title} is being run by another build; waiting for it.` });
        if ((await store.make(id, make, { ...withSignal, onShared })) === "cached") onLog({ stream: "info", text: "cached" });
        return true;
      },
      onLog,
      ...withSignal,
    });
    if (image === undefined) throw new ImageError("invalid", "The image could not be built.");
    return image;
  }

  /** The Python of an image, asked in a container; undefined when it has none. */
  async python(image: BuiltImage): Promise<ImagePython | undefined> {
    const { store, host } = this.#options;
    return inspectPython(host, { layers: image.layers.map((id) => store.path(id)).reverse(), env: image.config.env });
  }

  async #walk(
    recipe: ImageRecipe,
    on: { base: (name: string) => Promise<BuiltImage | undefined>; layer: Layer; onLog: OnBuildLog; signal?: AbortSignal },
  ): Promise<BuiltImage | undefined> {
    const instructions = parseDockerfile(recipe.lines.join("\n"));
    const state = new BuildState(recipe.buildArgs ?? {});
    const stages = new Stages(instructions);
    const imageOf = async (name: string): Promise<BuiltImage | undefined> =>
      stages.image(name) ?? recipe.bases?.[name] ?? (name === "scratch" ? BuildState.scratch() : await on.base(name));
    for (const [index, instruction] of instructions.entries()) {
      throwIfCancelled(on.signal);
      const [head = ""] = instruction.text.split("\n", 1);
      if (instruction.kind === "from") stages.begin(state.image());
      if (!stages.isNeeded) {
        if (instruction.kind === "arg") state.apply(instruction); // Declares it: a stage that is left out may be all that uses an argument.
        continue;
      }
      on.onLog({ stream: "info", text: `Step ${index + 1}/${instructions.length}: ${head}` });
      if (instruction.kind === "from") {
        const base = await imageOf(state.expandImageName(instruction));
        if (base === undefined) return undefined;
        state.begin(base);
      } else if (instruction.kind === "run" || instruction.kind === "copy") {
        if (!(await this.#layer(instruction, `Step ${index + 1} (${head})`, recipe, state, { ...on, imageOf }))) return undefined;
      } else if (instruction.kind === "ignored") {
        on.onLog({ stream: "info", text: `ignored: ${instruction.reason}` });
      } else {
        state.apply(instruction);
      }
    }
    state.assertArgsUsed();
    const { finalStep } = recipe;
    if (finalStep !== undefined) {
      on.onLog({ stream: "info", text: finalStep.title });
      const id = layerKey({ kind: "final", below: state.layers, step: finalStep.key, salt: recipe.salt });
      const make = (target: string, signal: AbortSignal) => finalStep.make(target, { signal, onLog: on.onLog });
      if (!(await on.layer(id, finalStep.title, make))) return undefined;
      state.push(id);
    }
    return state.image();
  }

  async #layer(
    instruction: Extract<Instruction, { kind: "run" | "copy" }>,
    title: string,
    recipe: ImageRecipe,
    state: BuildState,
    on: { layer: Layer; onLog: OnBuildLog; imageOf: (name: string) => Promise<BuiltImage | undefined> },
  ): Promise<boolean> {
    const { store, host } = this.#options;
    if (!host.features.images) {
      throw new ImageError(
        "unsupported",
        `${title} needs containers with images of their own, which the container host "${host.name}" does not have. Use the default image without steps, or a machine where "lydian doctor" finds a container runtime.`,
      );
    }
    if (state.layers.length >= MAX_LAYERS)
      throw new ImageError(
        "invalid",
        `${title} would be layer ${state.layers.length + 1}; at most ${MAX_LAYERS} are possible. Join RUN instructions with "&&".`,
      );
    const layers = state.layers.map((id) => store.path(id)).reverse();
    const sourceOf = async (name: string): Promise<SourceImage | undefined> => {
      const image = await on.imageOf(name);
      if (image === undefined) return undefined;
      return { name, ids: image.layers, layers: image.layers.map((id) => store.path(id)).reverse() };
    };
    const context = recipe.context ?? [];
    let prepared: Pick<CopyStep, "key" | "make">;
    if (instruction.kind === "run") {
      const mounts = await prepareMounts(instruction, { context, workdir: state.workdir, lookup: state.lookup }, sourceOf);
      if (mounts === undefined) return false;
      prepared = this.#prepareRun(instruction, mounts, { title, layers, state, secrets: recipe.secrets, onLog: on.onLog });
    } else {
      const source = instruction.from ?? contextImage(instruction, recipe.contextImages);
      const from = source === undefined ? undefined : await sourceOf(source);
      if (from === undefined && source !== undefined) return false;
      const input = { context, layers, workdir: state.workdir, lookup: state.lookup, ...(from === undefined ? {} : { from }) };
      prepared = await prepareCopy(instruction, input);
    }
    const id = layerKey({ kind: instruction.kind, below: state.layers, step: prepared.key, salt: recipe.salt });
    if (!(await on.layer(id, title, prepared.make))) return false;
    state.push(id);
    return true;
  }

  #prepareRun(
    { command }: Run,
    mounts: readonly PreparedMount[],
    step: {
      title: string;
      layers: readonly string[];
      state: BuildState;
      secrets: BuildSecrets | undefined;
      onLog: OnBuildLog;
    },
  ): Pick<CopyStep, "key" | "make"> {
    const { title, layers, state, secrets, onLog } = step;
    const line = command.form === "exec" ? command.args : [...state.shell, command.script];
    const { user } = state.config;
    const env = { ...state.args, ...state.config.env };
    const { host } = this.#options;
    const make = async (target: string, signal: AbortSignal): Promise<void> => {
      const buildTime = await this.#buildTime(env.NODE_EXTRA_CA_CERTS !== undefined);
      const step = {
        host,
        binds: await makeMounts(mounts, dirname(target), signal),
        command: asUser(user, line),
        layers,
        env: { HOME: "/root", ...buildTime, ...env, ...secrets?.env },
        workdir: state.workdir,
        onLog,
        title,
      };
      await runStep(step, target, signal);
    };
    const key = { line, env, workdir: state.workdir, user, secrets: secrets?.fingerprint };
    return { key: mounts.length === 0 ? key : { ...key, mounts: mounts.map((mount) => mount.key) }, make };
  }

  async #buildTime(hasHostCertificates: boolean): Promise<Readonly<Record<string, string>>> {
    this.#npmRegistry ??= this.#options.npmRegistry === undefined ? configuredNpmRegistry() : Promise.resolve(this.#options.npmRegistry);
    const [npmRegistry, pip] = await Promise.all([this.#npmRegistry, hostPipVariables()]);
    return buildEnvironment({ hostEnv: process.env, hasHostCertificates, pip, ...(npmRegistry === undefined ? {} : { npmRegistry }) });
  }
}
