// The network of all containers of one host: a subnet of its own, routed point to point (no bridge: containers share no
// link), with address translation to the outside. The links themselves are made by the slots (slot-script.ts) and vanish
// with their namespaces.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Launcher } from "../launcher/launcher.ts";
import { machineAddresses, UPLINK_RESOLVER } from "../rootless/uplink.ts";
import { closeForwarding, openForwarding } from "./forward-policy.ts";
import { knownRules, learned } from "./known-rules.ts";
import { addressIn, firewall, freeSubnets, linkLocalResolvers, resolvConf, SUBNET_SIZE, type Subnet, subnetOf } from "./network-rules.ts";
import { type KnownPolicy, Policies } from "./policies.ts";

const FORWARDING = "/proc/sys/net/ipv4/ip_forward";

export interface NetworkOptions {
  readonly launcher: Launcher;
  readonly stateDir: string;
  /** The launcher is in a network namespace of its own, with an uplink in user space. */
  readonly rootless: boolean;
  /** e.g. "lyab12": names the table and begins the names of the links. */
  readonly key: string;
  /** See `OciHostOptions.resolvers`. */
  readonly resolvers?: readonly string[];
  /** Of containers that run already. They keep their addresses, and are without rules at no moment. Default: none. */
  readonly known?: readonly KnownPolicy[];
}

export class Network {
  readonly subnet: Subnet;
  /** Host files to be seen as /etc/resolv.conf and /etc/hosts. */
  readonly etc: readonly { readonly source: string; readonly target: string }[];
  readonly policies: Policies;
  readonly #options: NetworkOptions;
  readonly #free: number[];

  private constructor(options: NetworkOptions, subnet: Subnet, etc: Network["etc"]) {
    this.#options = options;
    this.subnet = subnet;
    this.etc = etc;
    const { launcher, stateDir, key, rootless, known = [] } = options;
    const resolvers = options.resolvers ?? (rootless ? [UPLINK_RESOLVER] : []);
    this.policies = new Policies({ launcher, stateDir, table: table(key), links: key, gateway: subnet.gateway, resolvers, known });
    const taken = new Set(known.map(({ address }) => indexOf(address)));
    this.#free = Array.from({ length: SUBNET_SIZE - 3 }, (_, index) => index + 2).filter((index) => !taken.has(index));
  }

  /** Takes a subnet, or the one that an earlier process of this host had, and installs the firewall. */
  static async open(options: NetworkOptions): Promise<Network> {
    const { launcher, stateDir, key, rootless } = options;
    const file = join(stateDir, "subnet");
    const earlier = (await readFile(file, "utf8").catch(() => "")).trim();
    const subnet = subnetOf(await reserve(launcher, table(key), earlier));
    await writeFile(file, `${subnet.cidr}\n`);
    const read = (path: string) => readFile(path, "utf8").catch(() => "");
    const etc = [
      { source: join(stateDir, "resolv.conf"), target: "/etc/resolv.conf" },
      { source: join(stateDir, "hosts"), target: "/etc/hosts" },
    ];
    const names = rootless
      ? `nameserver ${UPLINK_RESOLVER}\n`
      : resolvConf(await read("/etc/resolv.conf"), await read("/run/systemd/resolve/resolv.conf"));
    await writeFile(join(stateDir, "resolv.conf"), names);
    const machine = rootless ? machineAddresses() : [];
    const rules = firewall(table(key), key, subnet, linkLocalResolvers(names), machine);
    const known = knownRules(table(key), await learned(launcher, table(key), options.known ?? []));
    await launcher.run(["nft", "-f", "-"], { input: `${rules}${known}` });
    // The launcher's: without root its network is not this process's.
    await launcher.run(["sh", "-c", `grep -q 1 ${FORWARDING} || echo 1 >${FORWARDING}`]);
    await openForwarding(launcher, key);
    await writeFile(join(stateDir, "hosts"), "127.0.0.1 localhost\n");
    const network = new Network(options, subnet, etc);
    await network.policies.answerKnown();
    return network;
  }

  /** An address for one slot, e.g. "10.88.0.2". */
  lease(): string {
    const index = this.#free.shift();
    if (index === undefined) throw new Error(`All ${SUBNET_SIZE - 3} addresses of ${this.subnet.cidr} are in use.`);
    return addressIn(this.subnet, index);
  }

  release(address: string): void {
    this.#free.push(indexOf(address));
  }

  /** Removes the firewall and gives the subnet back; `inUse`: not, because there are containers that live on. */
  async close({ inUse = false } = {}): Promise<void> {
    this.policies.close();
    if (inUse) return;
    const { launcher, key } = this.#options;
    await launcher.run(["nft", "delete", "table", "inet", table(key)]).catch(() => {});
    await closeForwarding(launcher, key);
    await launcher.run(["ip", "route", "del", "blackhole", this.subnet.cidr]).catch(() => {});
  }
}

/** Of an address in its subnet. */
function indexOf(address: string): number {
  const [, , third = 0, fourth = 0] = address.split(".").map(Number);
  return (third % 16) * 256 + fourth;
}

const table = (key: string) => `lydian-${key}`;

/** A blackhole route is the reservation: the kernel refuses a second one, also to another Lydian on this machine. */
async function reserve(launcher: Launcher, ownTable: string, earlier: string): Promise<string> {
  const routes = await launcher.run(["ip", "-4", "route", "show", "table", "all"]);
  if (earlier !== "" && routes.includes(`blackhole ${earlier} `) && (await isFor(launcher, ownTable, earlier))) return earlier;
  let reason: unknown;
  for (const cidr of freeSubnets(routes)) {
    try {
      await launcher.run(["ip", "route", "add", "blackhole", cidr]);
      return cidr;
    } catch (error) {
      reason = error;
    }
  }
  throw new Error("No free private subnet (10.88–90.0.0/16, 10.188–189.0.0/16, 172.30.0.0/16) was found for containers.", {
    cause: reason,
  });
}

/** Whether an earlier process of this host, killed, has left its firewall for this subnet. One that was given back may be another's by now. */
async function isFor(launcher: Launcher, ownTable: string, cidr: string): Promise<boolean> {
  const rules = await launcher.run(["nft", "list", "table", "inet", ownTable]).catch(() => "");
  return rules.includes(`ip saddr != ${cidr} drop`);
}
