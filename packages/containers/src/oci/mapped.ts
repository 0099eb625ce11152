// Containers in a user namespace of their own: their ids are translated to a range of ids that nothing else on the machine has. The
// program in host-tool/ mounts layers and binds so that their files seem to have the container's ids; nothing is copied.

import { existsSync } from "node:fs";
import { release } from "node:os";
import { compareVersions } from "../doctor/vulnerabilities.ts";
import type { Bind } from "../host.ts";
import { overlayOptions, quote } from "./slot-script.ts";

/** The first whose overlays take translated layers. */
const MIN_KERNEL = "5.19";
/** Directories that every user can reach; in the container's own mount namespace one of them is covered. */
const PLACES = ["/mnt", "/media", "/srv", "/opt"];
/** Above the ids that distributions give to users, below those of systemd's own containers. */
const FIRST_ID = 0x1000_0000;
const IDS = 65_536;

/** What it takes to start such containers. */
export interface Mapped {
  readonly tool: string;
  readonly place: string;
}

/** What it takes, or why it cannot be. `stateDir`: its file system must be able to translate ids. */
export async function findMapped(
  run: (argv: readonly string[]) => Promise<unknown>,
  o: { readonly tool: string | undefined; readonly stateDir: string; readonly rootless: boolean },
): Promise<Mapped | string> {
  const { tool, stateDir } = o;
  if (o.rootless) return "Without root, the server has but one range of ids for all of its containers.";
  if (compareVersions(release(), MIN_KERNEL) < 0) return `The kernel is ${release()}; user namespaces of containers need ${MIN_KERNEL}.`;
  if (tool === undefined) return "The program lydian-host has not been built (npm run build).";
  const place = PLACES.find((each) => existsSync(each) && !stateDir.startsWith(`${each}/`));
  if (place === undefined) return `None of the directories ${PLACES.join(", ")} can be covered for a container.`;
  try {
    await run([tool, "can-map", stateDir]);
  } catch (error) {
    return `Ids cannot be translated: ${error instanceof Error ? error.message : String(error)}`;
  }
  return { tool, place };
}

/** The first of the 65,536 ids of the container with this address: each address of a host has its own. */
export function idsOf(address: string): number {
  const [, , third = 0, fourth = 0] = address.split(".").map(Number);
  return FIRST_ID + ((third % 16) * 256 + fourth) * IDS;
}

/** The shell line that mounts all of it in the slot's directory. Layers are the links 0, 1, 2 …. */
export function mountMapped(mapped: Mapped, ids: number, layers: number, binds: readonly Bind[]): string {
  const options = [...overlayOptions({ layers, rootless: false, volatile: true }), "upperdir=../W/u", "workdir=../W/w"].join(",");
  const words = [
    mapped.tool,
    "mount-mapped",
    String(ids),
    mapped.place,
    String(layers),
    options,
    ...binds.map((bind) => `${bind.readOnly ? "ro" : "rw"}:${bind.source}`),
  ];
  // Low ports belong to root of the namespace that the network belongs to, which is not the container's.
  return `echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start && ${words.map(quote).join(" ")}`;
}

/** The same binds, from where `mountMapped` has put them. */
export function mappedBinds<B extends { readonly source: string }>(mapped: Mapped, binds: readonly B[]): B[] {
  return binds.map((bind, index) => ({ ...bind, source: `${mapped.place}/b/${index}` }));
}
