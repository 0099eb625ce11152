// Runs containers through an OCI runtime on this machine (Linux, root; or root of a user namespace, with less: see `rootless`).
//
// The idea: a start is one line to a shell that already waits in the right namespaces (slot.ts), so what a caller waits for
// is one overlay mount and the runtime itself.

import { mkdir, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { CommitOptions, Container, ContainerHost, ContainerSpec, HostFeatures, Isolation, OutputChunk } from "../host.ts";
import { atLeast, demand } from "../isolation.ts";
import { Launcher } from "../launcher/launcher.ts";
import { openUplink, type Uplink } from "../rootless/uplink.ts";
import { inUserNamespace } from "../rootless/user-namespace.ts";
import { checkSources, checkSpec } from "../spec-check.ts";
import { adoptProcess } from "./adopted-process.ts";
import { createParentCgroup } from "./cgroup.ts";
import { canFreeze, readCgroupLayout } from "./cgroup-layout.ts";
import { ociConfig } from "./config.ts";
import { Directories } from "./directories.ts";
import { Disks } from "./disks.ts";
import { enterContainer } from "./enter.ts";
import { hostKey } from "./host-key.ts";
import { findHostTool } from "./host-tool.ts";
import { type KeptContainer, knownProcess, readAllKept } from "./kept.ts";
import { DEFAULT_DISK_MIB } from "./limits.ts";
import { findMapped, idsOf, type Mapped, mappedBinds, mountMapped } from "./mapped.ts";
import { Network } from "./network.ts";
import { OciContainer, type OciContainerOptions } from "./oci-container.ts";
import { PidWatch } from "./pid-watch.ts";
import { findRuntime, logErrors, type Runtime, type RuntimeName, runCommand } from "./runtimes.ts";
import { compileFilter, encodeFilter } from "./seccomp/compile.ts";
import { seccompProfile } from "./seccomp/profile.ts";
import { adoptSlot, ID_FILE, type Slot, type SlotOptions } from "./slot.ts";
import { PREPARE_FAILED, startLine } from "./slot-script.ts";
import { Slots } from "./slots.ts";
import { StartGate } from "./start-gate.ts";
import { sweepLeftovers } from "./sweep.ts";

export interface OciHostOptions {
  /** Everything this host keeps. One host per directory at a time. */
  readonly stateDir: string;
  /** Default: the best that works. */
  readonly runtime?: RuntimeName;
  /** Nothing weaker is started. Default: "namespaces". */
  readonly isolation?: Isolation;
  /** See `LauncherOptions`. */
  readonly launcherProgram?: string;
  /** Name servers (`address` or `address:port`) that are asked for the names of allow-lists. Default: the machine's. */
  readonly resolvers?: readonly string[];
  /** How many starts run at once. Default: twice the cores. */
  readonly parallelStarts?: number;
}

/** What a container has that asks for nothing, where nothing is demanded. */
const WEAKEST: Isolation = "namespaces";

/** How much of a failed start's output goes into its error. */
const MAX_REASON_BYTES = 4_096;

export async function createOciHost(options: OciHostOptions): Promise<ContainerHost> {
  await mkdir(options.stateDir, { recursive: true, mode: 0o700 });
  const stateDir = await realpath(options.stateDir);
  const rootless = inUserNamespace();
  // Groups of a user would have to be delegated to them; they are not used yet.
  const layout = rootless ? undefined : await readCgroupLayout();
  if (!rootless && (layout?.roots.memory === undefined || layout.roots.pids === undefined)) {
    throw new Error("This machine has no control groups for memory and pids. Mount them (systemd does), or choose the process host.");
  }
  if (process.arch !== "x64" && process.arch !== "arm64") throw new Error(`The processor architecture ${process.arch} is not served.`);
  const key = hostKey(stateDir);
  const paths = { slots: join(stateDir, "s"), runtime: join(stateDir, "r"), pids: join(stateDir, "p") };
  const kept = await readAllKept(paths.slots);
  const left = await sweepLeftovers({ layout, cgroupParent: `lydian-${key}`, paths, kept: new Set(kept.keys()) });
  for (const path of Object.values(paths)) await mkdir(path, { recursive: true, mode: 0o700 });
  // The networks of the containers hang on the launcher's. The machine's own may only be changed by root.
  const uplink: Uplink | undefined = rootless ? await openUplink() : undefined;
  const launcher = await Launcher.start({
    dir: stateDir,
    ...(uplink !== undefined && { prefix: uplink.prefix }),
    ...(options.launcherProgram === undefined ? {} : { program: options.launcherProgram }),
  });
  try {
    const runtime = await findRuntime(launcher, rootless ? "crun" : options.runtime);
    if (layout !== undefined) await createParentCgroup(layout, `lydian-${key}`, { devices: !runtime.ownCgroup });
    const network = await Network.open({
      launcher,
      stateDir,
      key,
      rootless,
      known: [...kept].map(([link, { address, policy }]) => ({ link, address, policy })),
      ...(options.resolvers !== undefined && { resolvers: options.resolvers }),
    });
    // Without root there are no loop devices.
    const disks = rootless ? undefined : new Disks(launcher, stateDir);
    const tool = findHostTool();
    const slots: SlotOptions = {
      launcher,
      tool,
      layout,
      disks,
      network,
      cgroupParent: `lydian-${key}`,
      slotsDir: paths.slots,
      joinCgroup: !runtime.ownCgroup,
    };
    const seccomp = runtime.compiledSeccomp
      ? { bpf: encodeFilter(compileFilter(process.arch)).toString("base64") }
      : { profile: seccompProfile(process.arch) };
    const width = options.parallelStarts ?? 2 * availableParallelism();
    const gate = new StartGate(width);
    const close = async () => uplink?.close();
    const mapped = await findMapped((argv) => launcher.run(argv), { tool, stateDir, rootless });
    const isolations: readonly Isolation[] = typeof mapped === "string" ? ["namespaces"] : ["namespaces", "user-namespace"];
    const directories = new Directories({ launcher, tool, rootless });
    return new OciHost({
      directories,
      mapped,
      isolations: demand(options.isolation, isolations, typeof mapped === "string" ? { "user-namespace": mapped } : {}),
      launcher,
      runtime,
      network,
      seccomp,
      key,
      paths,
      slotOptions: slots,
      left,
      kept,
      gate,
      rootless,
      closeUplink: close,
    });
  } catch (error) {
    await uplink?.close();
    await launcher[Symbol.asyncDispose]();
    throw error;
  }
}

interface Parts {
  readonly launcher: Launcher;
  readonly runtime: Runtime;
  readonly network: Network;
  readonly directories: Directories;
  /** What it takes to give containers user namespaces of their own, or why it cannot be. */
  readonly mapped: Mapped | string;
  readonly isolations: readonly Isolation[];
  readonly seccomp: { readonly bpf: string } | { readonly profile: object };
  readonly key: string;
  readonly paths: { readonly slots: string; readonly runtime: string; readonly pids: string };
  readonly slotOptions: SlotOptions;
  readonly gate: StartGate;
  /** In a user namespace: nothing is limited, and the network has its way out in user space. */
  readonly rootless: boolean;
  readonly closeUplink: () => Promise<void>;
  /** Ids found and removed when the host was opened. */
  readonly left: readonly string[];
  /** What has outlived an earlier process, by slot. */
  readonly kept: ReadonlyMap<string, KeptContainer>;
}

class OciHost implements ContainerHost {
  readonly name = "oci";
  readonly features: HostFeatures;
  readonly runtime: string;
  readonly #parts: Parts;
  readonly #slots: Slots;
  readonly #pids: PidWatch;
  /** By id. A start under way holds its id with `undefined`. */
  readonly #containers = new Map<string, OciContainer | undefined>();
  #left: readonly string[];
  /** Not adopted yet. By slot. */
  readonly #kept: Map<string, KeptContainer>;
  /** Counts what has entered containers. */
  #entered = 0;
  #closed: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#left = parts.left;
    this.#kept = new Map(parts.kept);
    this.runtime = `${parts.runtime.name} ${parts.runtime.version}${parts.rootless ? " without root" : ""}`;
    const { layout } = parts.slotOptions;
    const pause = layout === undefined || canFreeze(layout);
    const snapshots = pause && parts.directories.available;
    this.features = {
      isolation: true,
      limits: !parts.rootless,
      diskLimit: !parts.rootless,
      images: true,
      networkIsolation: true,
      snapshots,
      mounts: snapshots,
      isolations: parts.isolations,
      pause,
      networkPolicy: true,
      // There, processes are told apart by their network.
      sharedNetwork: !parts.rootless,
      // The namespaces of a server without root end with it.
      adoption: !parts.rootless,
    };
    this.#slots = new Slots(parts.key, DEFAULT_DISK_MIB, parts.slotOptions, parts.kept.keys());
    this.#pids = new PidWatch(parts.paths.pids);
  }

  warm(count: number): Promise<void> {
    return this.#slots.warm(count);
  }

  async start(asked: ContainerSpec): Promise<Container> {
    checkSpec(asked, this.features.isolations);
    const spec = { ...asked, isolation: atLeast(asked.isolation, this.features.isolations) ?? WEAKEST };
    if (this.#closed !== undefined) throw new Error("The container host has been closed.");
    if (spec.mayOutlive === true && !this.features.adoption) throw new Error("Without root no container outlives its server.");
    if (this.#containers.has(spec.id) || [...this.#kept.values()].some((each) => each.spec.id === spec.id))
      throw new Error(`There is a container ${spec.id} already.`);
    this.#containers.set(spec.id, undefined);
    try {
      await checkSources(spec, { layers: true });
      const start = (pid?: number) => this.#parts.gate.run(() => this.#start(spec, pid));
      const container = await (spec.networkOf === undefined ? start() : this.#host(spec.networkOf).admit(start));
      this.#containers.set(spec.id, container);
      return container;
    } catch (error) {
      this.#containers.delete(spec.id);
      throw error;
    }
  }

  /** The container in whose network another is to be started. */
  #host(id: string): OciContainer {
    if (!this.features.sharedNetwork) throw new Error("Without root no container can be started in the network of another one.");
    const found = this.#containers.get(id);
    if (found === undefined) throw new Error(`There is no container ${id} whose network could be shared.`);
    return found;
  }

  /** `networkOf`: a process in the network that it is to share. */
  async #start(spec: ContainerSpec, networkOf: number | undefined): Promise<OciContainer> {
    const diskMiB = spec.limits.diskMiB ?? DEFAULT_DISK_MIB;
    try {
      const slot = await this.#slots.take(diskMiB);
      try {
        return await this.#startIn(slot, spec, networkOf);
      } catch (error) {
        this.#pids.forget(slot.name);
        await slot.remove();
        await this.#parts.network.policies.set(slot.name, slot.address, "outbound");
        for (const path of this.#traces(slot)) await rm(path, { recursive: true, force: true });
        throw error;
      }
    } finally {
      this.#slots.done();
    }
  }

  async #startIn(slot: Slot, spec: ContainerSpec, networkOf: number | undefined): Promise<OciContainer> {
    const { runtime, network, paths } = this.#parts;
    const policy = spec.network === "none" || networkOf !== undefined ? undefined : spec.network;
    const at = (file: string) => join(slot.dir, file);
    const mapped = this.#mapped(spec);
    const ids = idsOf(slot.address);
    const etc = network.etc.filter((file) => spec.binds.every((bind) => bind.target !== file.target));
    const binds = [...etc.map((file) => ({ ...file, readOnly: true })), ...spec.binds];
    const seen = mapped === undefined ? spec : { ...spec, binds: mappedBinds(mapped, binds) };
    const config = ociConfig(seen, {
      etc: mapped === undefined ? etc : [],
      ...(mapped !== undefined && { mapped: { ids, place: mapped.place } }),
      seccomp: this.#parts.seccomp,
      ...(runtime.ownCgroup ? { cgroupPath: slot.group.path } : {}),
    });
    await Promise.all([
      writeFile(at(ID_FILE), spec.id),
      writeFile(at("config.json"), JSON.stringify(config)),
      ...spec.layers.map((layer, index) => symlink(layer, at(index.toString(36)))),
      slot.group.setLimits(spec.limits),
      policy && network.policies.set(slot.name, slot.address, policy),
    ]);
    const started = this.#pids.wait(slot.name);
    slot.process.write(
      startLine({
        tool: this.#parts.slotOptions.tool,
        layers: spec.layers.length,
        withoutNetwork: spec.network === "none" && networkOf === undefined,
        ...(networkOf !== undefined && { networkOf }),
        volatile: true,
        rootless: this.#parts.rootless,
        keep: spec.keepWritableLayer === true,
        ...(mapped !== undefined && { mount: mountMapped(mapped, ids, spec.layers.length, binds) }),
        ...(spec.mayOutlive === true && { exitFile: this.#pids.path(exitName(slot.name)) }),
        runtime: runCommand(runtime, slot.name, { root: paths.runtime, log: "log", pidFile: this.#pids.path(slot.name) }),
      }),
    );
    slot.process.endInput();
    const exit = await Promise.race([started.then(() => undefined), slot.process.exited]);
    if (exit !== undefined) {
      const reason = await this.#failure(slot, exit.code);
      if (reason !== undefined) throw new Error(`Container ${spec.id} could not be started with ${this.runtime}: ${reason}`);
    }
    const pid = exit === undefined ? await started : undefined;
    return this.#container({ spec, slot, pid, policy: policy ?? "outbound" });
  }

  #container(of: Pick<OciContainerOptions, "spec" | "slot" | "pid" | "policy" | "adopted" | "firstMount">): OciContainer {
    const { network, paths, directories } = this.#parts;
    const { spec, slot } = of;
    const { isolation = WEAKEST } = spec;
    return new OciContainer({
      ...of,
      policies: network.policies,
      directories,
      isolation,
      ids: isolation === "user-namespace" ? idsOf(slot.address) : 0,
      traces: this.#traces(slot),
      enter: (entered) =>
        enterContainer(slot, entered, `enter-${this.#entered++}`, { ...this.#parts, root: paths.runtime, pids: this.#pids }),
      adoptShell: async (pid) => adoptProcess(await knownProcess(pid), this.#pids, exitName(slot.name)),
      onRemoved: () => this.#containers.delete(spec.id),
    });
  }

  /** What it takes to give it a user namespace. Undefined: it is to have none. */
  #mapped({ isolation }: ContainerSpec): Mapped | undefined {
    const { mapped } = this.#parts;
    return isolation === "user-namespace" && typeof mapped !== "string" ? mapped : undefined;
  }

  async adopt(id: string): Promise<OciContainer | undefined> {
    const [name, kept] = [...this.#kept].find(([, { spec }]) => spec.id === id) ?? [];
    if (name === undefined || kept === undefined || this.#closed !== undefined) return undefined;
    // More is demanded now: it is swept.
    if (!this.features.isolations.includes(kept.spec.isolation ?? WEAKEST)) return undefined;
    return this.#adopt(name, kept);
  }

  async #adopt(name: string, kept: KeptContainer): Promise<OciContainer> {
    this.#kept.delete(name);
    const { spec, shell, policy, main } = kept;
    const slot = adoptSlot(name, kept, await adoptProcess(shell, this.#pids, exitName(name)), this.#parts.slotOptions);
    // A server that was killed while it copied files has left it frozen.
    await slot.group.thaw().catch(() => {});
    const firstMount = await nextMount(slot.dir);
    const container = this.#container({ spec, slot, pid: main.pid, policy, adopted: true, firstMount });
    this.#containers.set(spec.id, container);
    return container;
  }

  /** What a runtime leaves outside the slot. */
  #traces(slot: Slot): readonly string[] {
    return [this.#pids.path(slot.name), this.#pids.path(exitName(slot.name)), join(this.#parts.paths.runtime, slot.name)];
  }

  /** Why a runtime ended without a container. Undefined: there was one, it was only quick. */
  async #failure(slot: Slot, code: number | undefined): Promise<string | undefined> {
    const read = (file: string) => readFile(join(slot.dir, file), "utf8").catch(() => "");
    if (code === PREPARE_FAILED) {
      const error = (await read("error")).trim();
      if (error !== "") return error;
    }
    const logged = logErrors(await read("log"));
    if (logged !== "") return logged;
    const pid = await readFile(this.#pids.path(slot.name), "utf8").catch(() => "");
    if (pid !== "") return undefined;
    slot.process.output.end();
    return (await collect(slot.process.output, MAX_REASON_BYTES)) || `it ended with code ${code} and no message`;
  }

  async commit(container: Container, target: string, options: CommitOptions = {}): Promise<void> {
    if (!(container instanceof OciContainer)) throw new TypeError(`Container ${container.id} is not one of this host.`);
    await container.snapshot(target, options.directory);
  }

  async sweep(): Promise<readonly string[]> {
    // What an earlier process left was removed when this one opened, before it could be in the way.
    const found = this.#left;
    this.#left = [];
    const orphans = [...this.#kept];
    for (const [name, kept] of orphans) await (await this.#adopt(name, kept)).remove();
    return [...found, ...orphans.map(([, { spec }]) => spec.id)];
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#slots.close();
    const all = [...this.#containers.values()].filter((container) => container !== undefined);
    const outliving = all.filter(({ outlives }) => outlives);
    await Promise.all(all.map((container) => (container.outlives ? undefined : container.remove())));
    // Those that nobody has adopted or swept yet stay as they are.
    const kept = new Set([...outliving.map(({ slotName }) => slotName), ...this.#kept.keys()]);
    const { slotOptions, network, closeUplink, launcher, paths } = this.#parts;
    this.#pids.close();
    await network.close({ inUse: kept.size > 0 });
    await closeUplink();
    await launcher[Symbol.asyncDispose]();
    const { layout, cgroupParent } = slotOptions;
    await sweepLeftovers({ layout, cgroupParent, paths, kept, parentToo: kept.size === 0 });
  }
}

async function collect(output: AsyncIterable<OutputChunk>, maxBytes: number): Promise<string> {
  let text = "";
  for await (const chunk of output) {
    text += Buffer.from(chunk.data).toString();
    if (text.length > maxBytes) break;
  }
  return text.trim().slice(0, maxBytes);
}

const exitName = (slot: string): string => `${slot}.exit`;

/** Of the directories that were mounted into its container, each has a number. */
async function nextMount(slotDir: string): Promise<number> {
  const names = await readdir(join(slotDir, "m")).catch(() => []);
  return names.reduce((next, name) => Math.max(next, Number.parseInt(name, 36) + 1), 0);
}
