import { describe, expect, it } from "vitest";
import { judge } from "./checks.ts";
import type { Machine } from "./probe.ts";

const good: Machine = {
  platform: "linux",
  arch: "x64",
  node: "24.1.0",
  kernel: "6.1.0-30-amd64",
  root: true,
  whyNoNamespace: undefined,
  cgroups: { version: 2, roots: { memory: "/c", pids: "/c", cpu: "/c" }, trees: ["/c"] },
  runtimes: [{ name: "crun", version: "1.21" }],
  agent: true,
  whyNotMapped: undefined,
  missing: new Set(),
  filesystems: ["overlay", "ext4"],
  userNamespaces: 100,
  seccomp: true,
  loopControl: true,
  tun: true,
  kvm: false,
  forwarding: true,
  forwardPolicyDrop: false,
  nftables: "",
  freeDiskMiB: 100_000,
  memoryMiB: 8_000,
};
const bad = (change: Partial<Machine>) => judge({ ...good, ...change }).filter((check) => check.status !== "ok");

describe("the doctor", () => {
  it("has nothing to say about a good machine", () => {
    expect(bad({})).toEqual([]);
  });

  it("says why sandboxes are isolated less than they could be", () => {
    expect(bad({ whyNotMapped: "The kernel is 5.10; user namespaces of containers need 5.19." })).toMatchObject([
      { name: "isolation", status: "warn", found: expect.stringContaining("namespaces only"), fix: expect.stringContaining("5.19") },
    ]);
  });

  it("does not ask of root what only others need", () => {
    expect(bad({ tun: false, missing: new Set(["slirp4netns", "newuidmap"]) })).toEqual([]);
  });

  it.each<[string, Partial<Machine>, string]>([
    ["an old Node", { node: "20.18.0" }, "node"],
    ["another system", { platform: "darwin" }, "system"],
    ["an old kernel", { kernel: "5.4.0" }, "kernel"],
    ["an ordinary user without a namespace", { root: false, whyNoNamespace: "No ids." }, "user"],
    ["an ordinary user without network devices", { root: false, tun: false }, "uplink"],
    ["an ordinary user without crun", { root: false, runtimes: [{ name: "runc", version: "1.3.3" }] }, "runtime"],
    ["an ordinary user without slirp4netns", { root: false, missing: new Set(["slirp4netns"]) }, "programs"],
    ["limits that an ordinary user has not", { root: false }, "cgroups"],
    ["no control groups", { cgroups: undefined }, "cgroups"],
    ["no runtime", { runtimes: [] }, "runtime"],
    ["no overlay", { filesystems: ["ext4"] }, "overlay"],
    ["missing programs", { missing: new Set(["nft", "ip"]) }, "programs"],
    ["an agent that was not built", { agent: false }, "agent"],
    ["a full disk", { freeDiskMiB: 10 }, "disk"],
    [
      "a vulnerable runtime",
      {
        runtimes: [
          { name: "crun", version: "1.21" },
          { name: "runc", version: "1.1.11" },
        ],
      },
      "runc",
    ],
  ])("names %s and what to do", (_, change, name) => {
    const found = bad(change).find((check) => check.name === name);
    expect(found?.fix).toBeTruthy();
    expect(found?.why).toBeTruthy();
  });
});
