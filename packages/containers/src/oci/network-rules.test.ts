import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressIn, firewall, freeSubnets, linkLocalResolvers, resolvConf, SUBNET_SIZE, subnetOf } from "./network-rules.ts";

describe("subnets", () => {
  it("never offers one that overlaps a route of the machine", () => {
    const routes =
      "default via 192.0.2.1 dev eth0\nblackhole 10.88.0.0/20\n10.89.0.0/16 dev x scope link\n10.90.17.3 dev y\nlocal 127.0.0.1 dev lo";
    const free = freeSubnets(routes);
    expect(free[0]).toBe("10.88.16.0/20");
    expect(free.some((cidr) => cidr.startsWith("10.89."))).toBe(false);
    expect(free).not.toContain("10.90.16.0/20");
    expect(free).toContain("10.90.32.0/20");
  });

  it("gives every address once, inside the subnet, and none to the gateway", () => {
    const subnet = subnetOf("10.88.16.0/20");
    expect(subnet.gateway).toBe("10.88.16.1");
    const seen = new Set<string>();
    for (let index = 2; index <= SUBNET_SIZE - 2; index++) seen.add(addressIn(subnet, index));
    expect(seen.size).toBe(SUBNET_SIZE - 3);
    expect(seen).not.toContain(subnet.gateway);
    for (const address of seen) expect(address).toMatch(/^10\.88\.(1[6-9]|2\d|3[01])\.\d+$/);
  });

  it("refuses addresses outside", () => {
    fc.assert(
      fc.property(fc.integer(), (index) => {
        if (index >= 2 && index <= SUBNET_SIZE - 2) return;
        expect(() => addressIn(subnetOf("10.88.0.0/20"), index)).toThrow("There is no address");
      }),
    );
  });
});

it("drops what containers send to the machine, to each other and to metadata addresses", () => {
  const text = firewall("lydian-lyab", "lyab", subnetOf("10.88.0.0/20"));
  expect(text).toMatch(/hook input[^}]*iifname "lyab\*" drop/);
  expect(text).toContain('oifname "ly*" drop');
  expect(text).toContain("169.254.0.0/16");
});

it("lets link-local resolvers answer names and nothing else", () => {
  const resolvers = linkLocalResolvers("nameserver 169.254.169.254\nnameserver 10.0.0.2\n");
  expect(resolvers).toEqual(["169.254.169.254"]);
  expect(firewall("t", "lyab", subnetOf("10.88.0.0/20"), resolvers)).toMatch(
    /169\.254\.169\.254 \} meta l4proto \{ tcp, udp \} th dport 53 accept\s+jump never\s+\}\s+chain never \{\s+ip daddr \{ 169\.254\.0\.0\/16/,
  );
});

describe("name resolution", () => {
  it("skips servers that only the machine reaches", () => {
    expect(resolvConf("nameserver 127.0.0.53\noptions edns0\n", "nameserver 10.0.0.2\nsearch lan\n# x\n")).toBe(
      "nameserver 10.0.0.2\nsearch lan\n",
    );
  });

  it("falls back to public servers", () => {
    expect(resolvConf("", "")).toMatch(/^nameserver \d/);
  });
});
