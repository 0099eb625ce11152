// The part of the firewall that is one container's own, as nftables commands. Each text is one transaction: a container is never
// without the old rules or the new ones.
//
// A link without an entry in the map `policies` (network-rules.ts) may reach the outside. With one, its packets go to `refuse`, or
// to a chain of its own with three sets: c, the address ranges; n, what its name server has answered; u, what connections of
// answered addresses use, which may go on when the answer has expired.

import type { NetworkPolicy } from "../host.ts";
import { isAllowList, version4 } from "../network-policy.ts";

const MAX_OPEN_ADDRESSES = 16_384;
/** How long a connection to an address that has been closed may be silent. */
const SILENCE_MINUTES = 30;

const domainsOf = (policy: NetworkPolicy): readonly string[] => (isAllowList(policy) ? policy.domains : []);

/** What turns the rules of `link` from one policy's into another's. Empty when they are the same. */
export function policyRules(table: string, link: string, from: NetworkPolicy, to: NetworkPolicy): string {
  if (from === to) return "";
  const chain = `inet ${table} p-${link}`;
  const set = (letter: "c" | "n" | "u") => `inet ${table} ${letter}-${link}`;
  const entry = (name: "policies" | "asking", value: string) => `element inet ${table} ${name} { "${link}"${value} }`;
  const lines: string[] = [];
  if (from !== "outbound") lines.push(`delete ${entry("policies", "")}`);
  if (domainsOf(from).length > 0) lines.push(`delete ${entry("asking", "")}`);
  if (isAllowList(from)) {
    lines.push(`flush chain ${chain}`, `delete set ${set("c")}`);
    if (!isAllowList(to)) lines.push(`delete chain ${chain}`, `delete set ${set("n")}`, `delete set ${set("u")}`);
    else if (!sameNames(from.domains, to.domains)) lines.push(`flush set ${set("n")}`, `flush set ${set("u")}`);
  }
  if (to === "blocked") lines.push(`add ${entry("policies", " : goto refuse")}`);
  if (isAllowList(to)) {
    const ranges = version4(to.cidrs);
    const elements = ranges.length === 0 ? "" : ` elements = { ${ranges.join(", ")} };`;
    lines.push(
      `add chain ${chain}`,
      `add set ${set("c")} { type ipv4_addr; flags interval; auto-merge;${elements} }`,
      `add set ${set("n")} { type ipv4_addr; flags timeout; size ${MAX_OPEN_ADDRESSES}; }`,
      `add set ${set("u")} { type ipv4_addr; flags dynamic, timeout; size ${MAX_OPEN_ADDRESSES}; timeout ${SILENCE_MINUTES}m; }`,
      `add rule ${chain} jump never`,
      `add rule ${chain} ip daddr @c-${link} accept`,
      `add rule ${chain} ip daddr @n-${link} update @u-${link} { ip daddr } accept`,
      `add rule ${chain} ct state established ip daddr @u-${link} update @u-${link} { ip daddr } accept`,
      `add rule ${chain} goto refuse`,
      `add ${entry("policies", ` : goto p-${link}`)}`,
    );
    if (to.domains.length > 0) lines.push(`add ${entry("asking", "")}`);
  }
  return `${lines.join("\n")}\n`;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

/** Opens addresses to a container for a while. Removed first, because older kernels keep the time of what is there. */
export function opened(table: string, link: string, lives: readonly { address: string; seconds: number }[]): string {
  const set = `element inet ${table} n-${link}`;
  return lives
    .map(({ address, seconds }) => {
      const add = `add ${set} { ${address} timeout ${seconds}s }\n`;
      return `${add}delete ${set} { ${address} }\n${add}`;
    })
    .join("");
}
