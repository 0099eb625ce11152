// A slot: everything a container needs but its image and command, made ahead. It is a shell that waits in namespaces of its
// own with a network, an empty writable layer and a control group, and becomes the container's runtime on one line of input.

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { LaunchedProcess, Launcher } from "../launcher/launcher.ts";
import { Cgroup, CHILD, SHELL } from "./cgroup.ts";
import type { CgroupLayout } from "./cgroup-layout.ts";
import type { Disks } from "./disks.ts";
import type { KeptContainer } from "./kept.ts";
import type { Network } from "./network.ts";
import { NetworkGroup } from "./network-group.ts";
import type { ProcessGroup } from "./process-group.ts";
import { slotCommand } from "./slot-script.ts";

export interface SlotOptions {
  readonly launcher: Launcher;
  /** The program lydian-host. Undefined: it has not been built. */
  readonly tool: string | undefined;
  /** Undefined: there are no control groups to use (without root). */
  readonly layout: CgroupLayout | undefined;
  /** Undefined: writable layers are directories, without a limit. */
  readonly disks: Disks | undefined;
  readonly network: Network;
  /** The host's control group. */
  readonly cgroupParent: string;
  /** The directory that holds the directories of all slots. */
  readonly slotsDir: string;
  /** The runtime must be started inside our control group, without a version 2 tree in sight. */
  readonly joinCgroup: boolean;
}

/** The file in a slot's directory that holds the id of the container it became. */
export const ID_FILE = "container-id";

export interface Slot {
  /** Unique in the machine, at most 15 bytes: also the name of the link. */
  readonly name: string;
  readonly dir: string;
  /** Of its network. */
  readonly address: string;
  readonly diskMiB: number;
  readonly group: ProcessGroup;
  readonly process: LaunchedProcess;
  /** The shell has ended without having been asked to (its launcher died): of no use any more. */
  readonly dead: boolean;
  /** Frees all of it. Idempotent. */
  remove(): Promise<void>;
}

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What a runtime must not see of the machine's control groups, to be run without them. */
function hidden(o: SlotOptions): { umount: string } | { cover: string } | undefined {
  if (o.layout === undefined) return { cover: "/sys/fs/cgroup" };
  return o.joinCgroup && o.layout.unified !== undefined ? { umount: o.layout.unified } : undefined;
}

export async function makeSlot(name: string, diskMiB: number, o: SlotOptions): Promise<Slot> {
  const dir = join(o.slotsDir, name);
  const group: ProcessGroup = o.layout === undefined ? new NetworkGroup() : new Cgroup(o.layout, `${o.cgroupParent}/${name}`);
  const address = o.network.lease();
  let launched: LaunchedProcess | undefined;
  const free = async () => {
    launched?.close();
    await launched?.exited;
    await group.remove();
    await rm(dir, { recursive: true, force: true });
    o.network.release(address);
  };
  try {
    await mkdir(dir, { mode: 0o700 });
    const [template] = await Promise.all([
      o.disks?.template(diskMiB),
      group.create({ shell: !o.joinCgroup }),
      ...["W", "rootfs"].map((each) => mkdir(join(dir, each))),
    ]);
    const hide = hidden(o);
    const argv = slotCommand({
      tool: o.tool,
      ...(template === undefined ? {} : { template }),
      link: name,
      address,
      gateway: o.network.subnet.gateway,
      procsFiles: group.procsFiles(o.joinCgroup ? undefined : SHELL),
      ...(hide === undefined ? {} : { hideCgroups: hide }),
    });
    launched = await o.launcher.spawn({
      argv,
      env: { PATH, LC_ALL: "C" },
      cwd: dir,
      procsFiles: ([undefined, CHILD, SHELL] as const).flatMap((below) => group.procsFiles(below)),
    });
    await ready(launched);
    if (group instanceof NetworkGroup) await group.watch(launched.pid);
  } catch (error) {
    await free();
    throw new Error(`A container could not be prepared: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return slotOf({ name, dir, address, diskMiB, group, process: launched }, free);
}

/** The slot of a container that has outlived the server that had made it. */
export function adoptSlot(name: string, { address, diskMiB }: KeptContainer, shell: LaunchedProcess, o: SlotOptions): Slot {
  if (o.layout === undefined) throw new Error("Without control groups no container outlives its server.");
  const dir = join(o.slotsDir, name);
  const group = new Cgroup(o.layout, `${o.cgroupParent}/${name}`);
  return slotOf({ name, dir, address, diskMiB, group, process: shell }, async () => {
    shell.close();
    await shell.exited;
    await group.remove();
    await rm(dir, { recursive: true, force: true });
    o.network.release(address);
  });
}

function slotOf(parts: Omit<Slot, "dead" | "remove">, free: () => Promise<void>): Slot {
  let freed: Promise<void> | undefined;
  let dead = false;
  void parts.process.exited.then(() => {
    dead = true;
  });
  return {
    ...parts,
    get dead() {
      return dead;
    },
    remove: () => {
      freed ??= free();
      return freed;
    },
  };
}

/** Waits for the shell's "ready", the first thing on its stdout. */
async function ready(launched: LaunchedProcess): Promise<void> {
  const complaint = await launched.output.takeUntil("ready\n");
  if (complaint !== undefined) throw new Error(complaint.trim() || `the shell ended (${JSON.stringify(await launched.exited)})`);
}
