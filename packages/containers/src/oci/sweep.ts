// Removes what an earlier process of the same host left when it was killed.
//
// There is little to find: mounts, networks and links live in namespaces of the slots' processes and go with them, and the
// launcher kills those when it loses its host. What stays is whatever runs on (if the launcher was killed too), the control
// groups and the files.

import { readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { Cgroup, listCgroups } from "./cgroup.ts";
import type { CgroupLayout } from "./cgroup-layout.ts";
import { killAll } from "./process-group.ts";
import { ID_FILE } from "./slot.ts";

export interface SweepOptions {
  /** Undefined: there are no control groups to look through. */
  readonly layout: CgroupLayout | undefined;
  readonly cgroupParent: string;
  readonly paths: { readonly slots: string; readonly runtime: string; readonly pids: string };
  /** Names of slots that stay, with all that is theirs. */
  readonly kept: ReadonlySet<string>;
  /** Remove the host's own control group as well. Default false. */
  readonly parentToo?: boolean;
}

/** Returns the ids of the containers it removed. */
export async function sweepLeftovers(o: SweepOptions): Promise<readonly string[]> {
  const { kept, layout, cgroupParent, paths } = o;
  const left = (name: string) => !kept.has(name);
  const slots = (await readdir(paths.slots).catch(() => [])).filter(left);
  const ids = await Promise.all(slots.map((slot) => readFile(join(paths.slots, slot, ID_FILE), "utf8").catch(() => undefined)));
  await killSlotProcesses(paths.slots, left);
  if (layout !== undefined) {
    const groups = (await listCgroups(layout, cgroupParent)).filter(left);
    await Promise.all(groups.map((name) => new Cgroup(layout, `${cgroupParent}/${name}`).remove()));
    if (o.parentToo === true) await new Cgroup(layout, cgroupParent).remove();
  }
  for (const path of Object.values(paths)) {
    if (kept.size === 0) await rm(path, { recursive: true, force: true });
    else
      for (const name of await readdir(path))
        if (left(name.replace(/\..*/, ""))) await rm(join(path, name), { recursive: true, force: true });
  }
  return ids.filter((id) => id !== undefined);
}

/** Kills processes whose working directory is in a slot: shells and runtimes, which may be outside the control groups. */
async function killSlotProcesses(slotsDir: string, left: (slot: string) => boolean): Promise<void> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    if (cwd.startsWith(`${slotsDir}/`) && left(cwd.slice(slotsDir.length + 1).replace(/[/ ].*/, ""))) killAll([Number(pid)]);
  }
}
