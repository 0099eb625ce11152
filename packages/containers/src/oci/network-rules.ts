// The firewall of the containers, as nftables text, and the addresses they get.
//
// A container may open connections to the outside and receive their answers. It may not reach the machine itself (whatever
// address is used), another container, or link-local addresses (where clouds keep their metadata and credentials). policy-rules.ts says what is less than that.

/** Networks to choose from, in this order: rarely used, none of Docker's. */
const CANDIDATE_SUBNETS: readonly string[] = [
  ...[88, 89, 90, 188, 189].flatMap((second) => Array.from({ length: 16 }, (_, index) => `10.${second}.${index * 16}.0/20`)),
  ...Array.from({ length: 16 }, (_, index) => `172.30.${index * 16}.0/20`),
];

/** Addresses in one subnet; the first two and the last are not given out. */
export const SUBNET_SIZE = 4096;

export interface Subnet {
  readonly cidr: string;
  /** The machine's own address on each container's link. */
  readonly gateway: string;
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

export function subnetOf(cidr: string): Subnet {
  const [base = ""] = cidr.split("/");
  return { cidr, gateway: toAddress(toNumber(base) + 1) };
}

/** Address number `index`, 2..4094. */
export function addressIn(subnet: Subnet, index: number): string {
  if (!Number.isInteger(index) || index < 2 || index > SUBNET_SIZE - 2)
    throw new RangeError(`There is no address ${index} in ${subnet.cidr}.`);
  const [base = ""] = subnet.cidr.split("/");
  return toAddress(toNumber(base) + index);
}

/** The candidates that overlap none of the machine's routes (`ip -4 route show table all`). */
export function freeSubnets(routes: string): readonly string[] {
  const used = [...routes.matchAll(/(?:^|\s)(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?(?=\s)/gm)].map(([, address = "", bits]) => {
    const start = toNumber(address);
    return { start, end: start + 2 ** (32 - Number(bits ?? 32)) };
  });
  return CANDIDATE_SUBNETS.filter((cidr) => {
    const start = toNumber(cidr.split("/")[0] ?? "");
    return used.every((route) => route.end <= start || route.start >= start + SUBNET_SIZE);
  });
}

/** A complete replacement of our own table; nothing else is touched. `links` is the prefix of our interfaces; `resolvers` may be asked for names although they are link-local. `machine`: addresses that lead to the machine by another way than its own interfaces. */
export function firewall(
  table: string,
  links: string,
  subnet: Subnet,
  resolvers: readonly string[] = [],
  machine: readonly string[] = [],
): string {
  // Some clouds resolve names at the very address that holds their metadata: that port, and no other.
  const names = resolvers.length === 0 ? "" : `ip daddr { ${resolvers.join(", ")} } meta l4proto { tcp, udp } th dport 53 accept`;
  return `table inet ${table} {}
delete table inet ${table}
table inet ${table} {
  map policies {
    type ifname : verdict;
  }
  set asking {
    type ifname;
  }
  chain to-machine {
    type filter hook input priority -10; policy accept;
    jump to-names
    iifname "${links}*" drop
  }
  chain to-names {
  }
  chain through {
    type filter hook forward priority -10; policy accept;
    iifname "${links}*" jump from-container
    oifname "${links}*" jump to-container
  }
  chain from-container {
    meta nfproto ipv6 drop
    ip saddr != ${subnet.cidr} drop
    iifname vmap @policies
    ${names}
    jump never
  }
  chain never {
    ip daddr { ${["169.254.0.0/16", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255", ...machine].join(", ")} } drop
    oifname "ly*" drop
  }
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }
  chain to-container {
    ct state established,related accept
    drop
  }
  chain outbound {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${subnet.cidr} oifname != "ly*" masquerade
  }
  chain names {
    type nat hook prerouting priority dstnat; policy accept;
    iifname @asking goto ask
  }
  chain ask {
  }
}
`;
}

/** Leads name queries of links in the set `asking`, whomever they are meant for, to our own name server, and lets no other packet there. */
export function askRules(table: string, links: string, port: number): string {
  return `flush chain inet ${table} ask
add rule inet ${table} ask udp dport 53 redirect to :${port}
flush chain inet ${table} to-names
add rule inet ${table} to-names iifname "${links}*" ct status dnat udp dport ${port} accept
`;
}

/** The link-local servers in a resolv.conf. */
export function linkLocalResolvers(text: string): readonly string[] {
  return [...text.matchAll(/^nameserver\s+(169\.254\.\d+\.\d+)\s*$/gm)].map(([, address = ""]) => address);
}

/** Name resolution for containers: the machine's, without servers that only the machine can reach. */
export function resolvConf(...candidates: readonly string[]): string {
  for (const text of candidates) {
    const lines = text.split("\n").map((line) => line.trim());
    const servers = lines.filter((line) => /^nameserver\s/.test(line) && !/^nameserver\s+(127\.|::1|0\.0\.0\.0|fe80:)/.test(line));
    if (servers.length === 0) continue;
    return `${[...servers, ...lines.filter((line) => /^(search|options)\s/.test(line))].join("\n")}\n`;
  }
  return "nameserver 1.1.1.1\nnameserver 8.8.8.8\n";
}
