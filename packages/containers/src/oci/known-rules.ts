// The rules of containers that run while the firewall is made anew: their policies, and the addresses that are open to them because their
// name server has answered with them.

import type { Launcher } from "../launcher/launcher.ts";
import { isAllowList } from "../network-policy.ts";
import type { KnownPolicy } from "./policies.ts";
import { opened, policyRules } from "./policy-rules.ts";

interface Learned extends KnownPolicy {
  /** Answered, with the seconds they stay open. */
  readonly answered: readonly { readonly address: string; readonly seconds: number }[];
  /** Used by connections. */
  readonly used: readonly string[];
}

/** Reads what the rules that are in place have learned. What cannot be read has to be asked for again by the container. */
export async function learned(launcher: Launcher, table: string, known: readonly KnownPolicy[]): Promise<readonly Learned[]> {
  const elements = async (set: string) => {
    const text = await launcher.run(["nft", "-j", "list", "set", "inet", table, set]).catch(() => "{}");
    return elementsOf(JSON.parse(text) as NftList);
  };
  return Promise.all(
    known.map(async (each) => {
      if (!isAllowList(each.policy) || each.policy.domains.length === 0) return { ...each, answered: [], used: [] };
      const [answered, used] = await Promise.all([elements(`n-${each.link}`), elements(`u-${each.link}`)]);
      return { ...each, answered, used: used.map(({ address }) => address) };
    }),
  );
}

/** To be added behind the firewall's own text, in the same transaction. */
export function knownRules(table: string, known: readonly Learned[]): string {
  return known
    .map(({ link, policy, answered, used }) => {
      const usedRules = used.length === 0 ? "" : `add element inet ${table} u-${link} { ${used.join(", ")} }\n`;
      return `${policyRules(table, link, "outbound", policy)}${opened(table, link, answered)}${usedRules}`;
    })
    .join("");
}

interface NftList {
  readonly nftables?: readonly { readonly set?: { readonly elem?: readonly unknown[] } }[];
}

function elementsOf(list: NftList): { address: string; seconds: number }[] {
  const elements = (list.nftables ?? []).flatMap(({ set }) => set?.elem ?? []);
  return elements.flatMap((each) => {
    const { elem } = each as { elem?: { val?: unknown; expires?: unknown } };
    return typeof elem?.val === "string" ? [{ address: elem.val, seconds: Math.max(1, Number(elem.expires) || 1) }] : [];
  });
}
