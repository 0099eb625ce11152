import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNotOci } from "../create-host.ts";
import { Launcher } from "../launcher/launcher.ts";
import { inUserNamespace } from "../rootless/user-namespace.ts";
import { Network } from "./network.ts";

const reason = whyNotOci() ?? (inUserNamespace() ? "each host has a network of its own without root" : undefined);
if (reason !== undefined) console.log(`skipped: subnets of several hosts (${reason})`);

describe.skipIf(reason !== undefined)("the subnet of a host", () => {
  let dir: string;
  let launcher: Launcher;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "ly-subnet-"));
    launcher = await Launcher.start({ dir });
  });
  afterAll(async () => {
    await launcher?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });
  const open = (key: string) => Network.open({ launcher, stateDir: dir, key, rootless: false });

  it("is kept by a host that was killed, and is not shared with one that had it earlier", async () => {
    const first = await open("lytsta");
    // As after a kill: nobody has closed it.
    const again = await open("lytsta");
    expect(again.subnet.cidr).toBe(first.subnet.cidr);
    // The same file says that this host had the subnet once.
    const other = await open("lytstb");
    expect(other.subnet.cidr).not.toBe(first.subnet.cidr);
    expect(readFileSync(join(dir, "subnet"), "utf8").trim()).toBe(other.subnet.cidr);
    await Promise.all([again.close(), other.close()]);
    const routes = execFileSync("ip", ["route"]).toString();
    for (const { cidr } of [first.subnet, other.subnet]) expect(routes).not.toContain(`blackhole ${cidr} `);
  });
});
