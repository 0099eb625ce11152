// The containers of sandboxes: one that waits where one fits, else a new one.
import type { ContainerHost, Limits } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Deadlines } from "../calls/deadlines.ts";
import type { Images, RootFilesystem } from "../images/images.ts";
import type { Mounts } from "../mounts/mounts.ts";
import { isolationOf } from "./isolation.ts";
import type { ContainerKey, Sandbox, StartedContainer } from "./sandbox.ts";
import type { Sidecar } from "./sidecar.ts";
import { Standbys } from "./standbys.ts";
import { type ContainerPlan, type FoundContainer, findContainer, startContainer } from "./start-container.ts";

export interface SandboxContainersOptions {
  readonly host: ContainerHost;
  readonly images: Images;
  readonly mounts: Mounts;
  readonly dir: string;
  readonly deadlines: Deadlines;
  readonly now: () => number;
  readonly onError: (what: string, error: unknown) => void;
}

export class SandboxContainers {
  readonly #options: SandboxContainersOptions;
  readonly #standbys: Standbys;
  /** Of the containers that exist. */
  readonly #plans = new Set<ContainerPlan>();

  constructor(options: SandboxContainersOptions) {
    this.#options = options;
    this.#standbys = new Standbys({
      ...options,
      start: (imageId) =>
        this.#run({
          layers: this.#rootfs(imageId).layers,
          limits: {},
          network: "outbound",
          isolation: isolationOf("", options.host.features),
        }),
    });
  }

  /** Resolves when its agent answers. */
  async start(sandbox: Sandbox): Promise<StartedContainer> {
    const started = await this.#start(sandbox);
    sandbox.isolation = started.container.isolation;
    return started;
  }

  async #start(sandbox: Sandbox): Promise<StartedContainer> {
    const { imageId, mountIds, limits, network, runtime } = sandbox.resolved;
    const { host, mounts } = this.#options;
    const rootfs = this.#rootfs(imageId);
    using _starting = this.#standbys.starting();
    this.#standbys.used(imageId);
    const isolation = isolationOf(runtime, host.features);
    const isUsual = isolation === isolationOf("", host.features);
    const fits =
      isUsual && mountIds.length === 0 && limits.diskMiB === undefined && (network === "outbound" || host.features.networkPolicy);
    const waiting = fits ? this.#standbys.take(imageId) : undefined;
    if (waiting === undefined) {
      sandbox.mountedLayers = await Promise.all(mountIds.map((mountId) => mounts.layer(mountId)));
      return this.#run({ layers: [...[...sandbox.mountedLayers].reverse(), ...rootfs.layers], limits, network, isolation });
    }
    sandbox.waited = true;
    try {
      await Promise.all([
        isLimited(limits) && waiting.container.update(limits),
        network !== "outbound" && waiting.container.setNetwork(network),
      ]);
      return waiting;
    } catch (error) {
      await waiting.remove();
      throw error;
    }
  }

  /** In the network of its sandbox. Resolves when its agent answers. */
  async startBeside(sidecar: Sidecar): Promise<StartedContainer> {
    const { imageId, mountIds, limits, runtime } = sidecar.resolved;
    const { host, mounts } = this.#options;
    if (!host.features.sharedNetwork)
      throw new LydianError("unimplemented", "Further containers of a sandbox are not possible on this machine: they need root.", {
        hint: "`lydian doctor` says what is missing.",
      });
    const { container } = await sidecar.sandbox.started;
    const { layers } = this.#rootfs(imageId);
    sidecar.mountedLayers = await Promise.all(mountIds.map((mountId) => mounts.layer(mountId)));
    return this.#run({
      layers: [...[...sidecar.mountedLayers].reverse(), ...layers],
      // Without limits of its own it has those of its sandbox.
      limits: { ...sidecar.sandbox.resolved.limits, ...limits },
      network: "outbound",
      networkOf: container.id,
      isolation: isolationOf(runtime, host.features),
    });
  }

  /** One that an earlier server has started. Undefined: it is gone. */
  async find(key: ContainerKey): Promise<FoundContainer | undefined> {
    // Before anything is awaited: layers that nobody seems to use may be deleted.
    const plan: ContainerPlan = { layers: key.layers, limits: {}, network: "outbound", isolation: undefined };
    this.#plans.add(plan);
    const forget = () => this.#plans.delete(plan);
    const found = await findContainer(key, this.#options).catch((error: unknown) => {
      forget();
      throw error;
    });
    if (found === undefined) {
      forget();
      return undefined;
    }
    const started = found.started.then(
      (container) => ({ ...container, remove: () => container.remove().finally(forget) }),
      (error: unknown) => {
        forget();
        throw error;
      },
    );
    started.catch(() => {});
    return { started };
  }

  /** Whether a container stands on the layer in this directory. */
  uses(layer: string): boolean {
    return [...this.#plans].some(({ layers }) => layers.includes(layer));
  }

  async #run(plan: ContainerPlan): Promise<StartedContainer> {
    this.#plans.add(plan);
    const forget = () => this.#plans.delete(plan);
    try {
      const started = await startContainer(plan, this.#options);
      return { ...started, remove: () => started.remove().finally(forget) };
    } catch (error) {
      forget();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#standbys.close();
  }

  #rootfs(imageId: string): RootFilesystem {
    const rootfs = this.#options.images.rootfs(imageId);
    if (rootfs !== undefined) return rootfs;
    throw new LydianError("failed_precondition", `The image ${imageId} is not built.`);
  }
}

const isLimited = ({ cpu, memoryMiB }: Limits): boolean => cpu !== undefined || memoryMiB !== undefined;
