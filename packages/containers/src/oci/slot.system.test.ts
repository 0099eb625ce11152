import { mkdtempSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNotOci } from "../create-host.ts";
import { Launcher } from "../launcher/launcher.ts";
import { inUserNamespace } from "../rootless/user-namespace.ts";
import { Cgroup, createParentCgroup } from "./cgroup.ts";
import { type CgroupLayout, readCgroupLayout } from "./cgroup-layout.ts";
import { Disks } from "./disks.ts";
import { findHostTool } from "./host-tool.ts";
import { Network } from "./network.ts";
import { makeSlot, type SlotOptions } from "./slot.ts";

const reason =
  whyNotOci() ??
  (inUserNamespace() ? "the contract suite does it without root" : undefined) ??
  (findHostTool() === undefined ? "lydian-host has not been built" : undefined);
if (reason !== undefined) console.log(`skipped: two ways of making slots (${reason})`);

/** What a container finds in one, without what differs between any two. */
const LOOK = [
  "ip -o -4 addr show | sed 's/^[0-9]*: //; s/ *valid_lft.*//; s/@if[0-9]*//'",
  "ip -4 route",
  "cat /proc/sys/net/ipv6/conf/all/disable_ipv6",
  "awk '$5 ~ /\\/W$/ { print $6, $9, $11 }' /proc/self/mountinfo",
  "awk '$3 ~ /cgroup2/' /proc/self/mounts",
  "stat -c '%n %a' W W/*",
  "ls",
  "umask",
  "sed 's/^[0-9]*://' /proc/self/cgroup | sort",
].join("; ");

describe.skipIf(reason !== undefined)("a slot", () => {
  const key = "lytsl";
  let dir: string;
  let launcher: Launcher;
  let network: Network;
  let options: SlotOptions;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "ly-slot-"));
    launcher = await Launcher.start({ dir });
    network = await Network.open({ launcher, stateDir: dir, key, rootless: false });
    const layout = (await readCgroupLayout()) as CgroupLayout;
    await createParentCgroup(layout, `lydian-${key}`, { devices: true });
    const slotsDir = join(dir, "s");
    await mkdir(slotsDir);
    const disks = new Disks(launcher, dir);
    options = { launcher, tool: undefined, layout, disks, network, cgroupParent: `lydian-${key}`, slotsDir, joinCgroup: true };
  });
  afterAll(async () => {
    if (options?.layout !== undefined) await new Cgroup(options.layout, options.cgroupParent).remove();
    await network?.close();
    await launcher?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  async function look(name: string, tool: string | undefined): Promise<string> {
    const slot = await makeSlot(name, 64, { ...options, tool });
    try {
      slot.process.write(`${LOOK}\n`);
      slot.process.endInput();
      let seen = "";
      for await (const { data } of slot.process.output) seen += Buffer.from(data).toString();
      return seen.replaceAll(slot.address, "ADDRESS").replaceAll(name, "NAME");
    } finally {
      await slot.remove();
    }
  }

  it("is the same whether lydian-host or a shell makes it", async () => {
    const made = await look("lytsla", findHostTool());
    expect(made).toContain("ADDRESS/32");
    expect(made).toContain("default via");
    expect(made).toMatch(/nodev\S* .*ext4|nodev\S* .*loop/);
    expect(await look("lytslb", undefined)).toBe(made);
  });

  it("says what could not be made, and leaves nothing", async () => {
    for (const tool of [findHostTool(), undefined])
      await expect(makeSlot("lytslc-is-too-long-for-a-link", 64, { ...options, tool })).rejects.toThrow(/could not be prepared: .*\w/);
    expect(await look("lytsld", findHostTool())).toContain("ADDRESS/32");
  });
});
