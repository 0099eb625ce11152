// Further containers of a sandbox.
import type { TaskContainerInfo } from "@lydian/protocol";
import type { Client } from "../client.ts";
import { InvalidError, NotFoundError, rethrow } from "../errors.ts";
import type { Image } from "../image/image.ts";
import { showValue } from "../show-value.ts";
import { type Ending, endingOf } from "./ending.ts";
import { networkAccess } from "./network-policy.ts";
import type { PreparedImage } from "./prepare-image.ts";
import type { ExecPlace } from "./process.ts";
import { ptyInfo } from "./pty.ts";
import { RunningContainer } from "./running-container.ts";
import { CONTAINER_OPTIONS, type ContainerOptions, refuseOthers, resolveContainerOptions } from "./sandbox-options.ts";

export interface SidecarOptions extends ContainerOptions {
  /** Unique among the containers of the sandbox that run; "main" is the sandbox's own. */
  readonly name: string;
}

export interface SidecarsContext {
  readonly client: Client;
  readonly sandboxId: string;
  readonly place: ExecPlace;
  readonly prepare: (image: Image) => Promise<PreparedImage>;
}

const HOLD_SECONDS = 55;
const MAIN = "main";

/** The sidecars of one sandbox. */
export class Sidecars {
  readonly #context: SidecarsContext;

  constructor(context: SidecarsContext) {
    this.#context = context;
  }

  /**
   * Starts one more container in the sandbox.
   *
   * @example
   * const db = await sandbox.containers.create({ name: "db", image: Image.fromRegistry("redis:8"), command: ["redis-server"] });
   */
  async create(options: SidecarOptions): Promise<Sidecar> {
    refuseOthers(options, "a container of a sandbox", [...CONTAINER_OPTIONS, "name"]);
    const { name, secrets, env, network } = options;
    if (typeof name !== "string" || name === "" || name === MAIN)
      throw new InvalidError(`\`name\` is ${showValue(name)}; it must be a string that is not empty and not "${MAIN}".`);
    const { image, command, workdir, pty } = resolveContainerOptions(options);
    const { client, sandboxId, place, prepare } = this.#context;
    const [{ imageId, mountIds }, sources] = await Promise.all([prepare(image), place.secretSources(secrets, env)]);
    const definition = {
      entrypointArgs: command,
      imageId,
      mountIds: [...mountIds],
      workdir,
      ptyInfo: pty && ptyInfo(pty),
      ...(network === undefined ? {} : { networkAccess: networkAccess(network) }),
    };
    const request = { sandboxId, containerName: name, definition, secretSources: sources };
    const { containerId } = await client.modal.sandboxContainerCreateV2(request).catch(rethrow);
    return new Sidecar(this.#context, containerId, name);
  }

  /** Throws NotFoundError when none of this name runs; with `includeTerminated` the latest that has ended counts, too. */
  async get(name: string, { includeTerminated = false }: { readonly includeTerminated?: boolean } = {}): Promise<Sidecar> {
    const { container } = await this.#context.place.router.call((router, taskId, call) =>
      router.taskContainerGet({ taskId, containerName: name, includeTerminated }, call),
    );
    if (!container) throw new NotFoundError(`The ${this.#context.place.what} has no container ${JSON.stringify(name)}.`);
    return this.#sidecar(container);
  }

  /** Those that run; with `includeTerminated` also those that have ended. */
  async list({ includeTerminated = false }: { readonly includeTerminated?: boolean } = {}): Promise<Sidecar[]> {
    const { containers } = await this.#context.place.router.call((router, taskId, call) =>
      router.taskContainerList({ taskId, includeTerminated }, call),
    );
    return containers.filter(({ containerName }) => containerName !== MAIN).map((container) => this.#sidecar(container));
  }

  #sidecar({ containerId, containerName, result }: TaskContainerInfo): Sidecar {
    return new Sidecar(this.#context, containerId, containerName, endingOf(result, describe(containerName, this.#context.sandboxId)));
  }
}

/** One more container of a sandbox. */
export class Sidecar extends RunningContainer {
  readonly id: string;
  readonly name: string;
  readonly #context: SidecarsContext;
  #ending: Ending | undefined;

  constructor(context: SidecarsContext, id: string, name: string, ending?: Ending) {
    super({ ...context.place, containerId: id, what: `container ${JSON.stringify(name)} of ${context.place.what}` });
    this.id = id;
    this.name = name;
    this.#context = context;
    this.#ending = ending;
  }

  /** Undefined while it runs, as far as this handle was told. */
  get exitCode(): number | undefined {
    return this.#ending?.exitCode;
  }

  /** Its exit code, when it has ended. Throws SandboxTerminatedError when it was terminated, unless `throwOnTermination` is false. */
  async wait({ throwOnTermination = true }: { readonly throwOnTermination?: boolean } = {}): Promise<number> {
    while (this.#ending === undefined) await this.#ask(HOLD_SECONDS);
    const { error, exitCode } = this.#ending;
    if (error === undefined || (error.code === "cancelled" && !throwOnTermination)) return exitCode;
    throw error;
  }

  /** Its exit code, or undefined while it runs. */
  async poll(): Promise<number | undefined> {
    if (this.#ending === undefined) await this.#ask(0);
    return this.exitCode;
  }

  /** Ends it; the sandbox and its other containers go on. */
  async terminate({ wait = false }: { readonly wait?: boolean } = {}): Promise<number | undefined> {
    await this.execPlace.router.call((router, taskId, call) => router.taskContainerTerminate({ taskId, containerId: this.id }, call));
    if (!wait) return undefined;
    while (this.#ending === undefined) await this.#ask(HOLD_SECONDS);
    return this.exitCode;
  }

  protected override async imageId(image: Image): Promise<string> {
    return (await this.#context.prepare(image)).imageId;
  }

  async #ask(seconds: number): Promise<void> {
    const { result } = await this.execPlace.router.call(
      (router, taskId, call) => router.taskContainerWait({ taskId, containerId: this.id, timeout: seconds }, call),
      { timeoutMs: (seconds + 15) * 1000 },
    );
    this.#ending = endingOf(result, describe(this.name, this.#context.sandboxId));
  }
}

const describe = (name: string, sandboxId: string) => `The container ${JSON.stringify(name)} of the sandbox ${sandboxId}`;
