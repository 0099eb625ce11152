// What a container may reach: checks of what callers ask for, and which names an allow-list means. Pure.

import { isIPv4, isIPv6 } from "node:net";
import type { AllowList, NetworkPolicy } from "./host.ts";

const MAX_ENTRIES = 1_000;
const MAX_NAME = 253;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

export function isAllowList(policy: NetworkPolicy | "none"): policy is AllowList {
  return typeof policy === "object";
}

/** Throws an error that names the value and the rule. */
export function checkPolicy(policy: NetworkPolicy | "none"): void {
  if (!isAllowList(policy)) return;
  const { cidrs, domains } = policy;
  if (cidrs.length > MAX_ENTRIES)
    throw new RangeError(`The network allow-list has ${cidrs.length} address ranges; ${MAX_ENTRIES} are taken.`);
  if (domains.length > MAX_ENTRIES) throw new RangeError(`The network allow-list has ${domains.length} domains; ${MAX_ENTRIES} are taken.`);
  for (const cidr of cidrs) {
    if (!isAddressRange(cidr))
      throw new TypeError(`${JSON.stringify(cidr)} is no address range: one looks like 192.0.2.0/24 or 192.0.2.7.`);
  }
  for (const domain of domains) {
    if (!isDomain(domain)) {
      throw new TypeError(`${JSON.stringify(domain)} is no domain: one looks like example.com, or *.example.com for all below it.`);
    }
  }
}

/** An address or a range of addresses: "192.0.2.7", "192.0.2.0/24", "2001:db8::/32". */
export function isAddressRange(cidr: string): boolean {
  const [address = "", bits, ...more] = cidr.split("/");
  if (more.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return false;
  if (isIPv4(address)) return bits === undefined || Number(bits) <= 32;
  return isIPv6(address) && !address.includes("%") && (bits === undefined || Number(bits) <= 128);
}

/** "example.com", or "*.example.com". */
export function isDomain(domain: string): boolean {
  const name = normalName(domain);
  const labels = (name.startsWith("*.") ? name.slice(2) : name).split(".");
  return name.length <= MAX_NAME && labels.every((label) => LABEL.test(label));
}

/** Ranges of IPv6 have no effect: containers have none. */
export function version4(cidrs: readonly string[]): readonly string[] {
  return cidrs.filter((cidr) => !cidr.includes(":"));
}

function normalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** `example.com` means that name alone, `*.example.com` all names below it, at any depth. */
export function isAllowedName(name: string, domains: readonly string[]): boolean {
  const wanted = normalName(name);
  return domains.some((domain) => {
    const allowed = normalName(domain);
    return allowed.startsWith("*.") ? wanted.endsWith(allowed.slice(1)) && wanted.length > allowed.length - 1 : wanted === allowed;
  });
}
