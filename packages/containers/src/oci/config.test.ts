import { describe, expect, it } from "vitest";
import type { ContainerSpec } from "../host.ts";
import { CAPABILITIES, ociConfig } from "./config.ts";

const spec: ContainerSpec = {
  id: "c1",
  layers: ["/l"],
  command: ["node", "x"],
  env: { A: "1=2" },
  limits: {},
  network: "outbound",
  binds: [
    { source: "/r", target: "/run/lydian/runtime", readOnly: true },
    { source: "/s", target: "/run/lydian", readOnly: false },
  ],
};
const options = { etc: [{ source: "/h/hosts", target: "/etc/hosts" }], seccomp: { bpf: "AAAA" } };

describe("the OCI configuration", () => {
  const config = ociConfig(spec, options) as Record<string, never> & {
    process: object;
    mounts: { destination: string; options: string[] }[];
    linux: object;
  };

  it("takes every privilege that functions and package managers do not need", () => {
    expect(config.process).toMatchObject({ noNewPrivileges: true, args: ["node", "x"], env: ["A=1=2"], cwd: "/" });
    for (const name of ["CAP_SYS_ADMIN", "CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_MKNOD", "CAP_SYS_PTRACE"])
      expect(CAPABILITIES).not.toContain(name);
  });

  it("mounts the shorter bind target first", () => {
    const targets = config.mounts.map((mount) => mount.destination);
    expect(targets.indexOf("/run/lydian")).toBeLessThan(targets.indexOf("/run/lydian/runtime"));
    expect(config.mounts.find((mount) => mount.destination === "/run/lydian/runtime")?.options).toContain("ro");
  });

  it("leaves the network namespace to the slot", () => {
    expect(JSON.stringify(config.linux)).not.toContain('"network"');
  });

  it("hands over a compiled filter or a profile, and a group of its own where asked", () => {
    expect(config).toMatchObject({ annotations: { "run.oci.seccomp_bpf_data": "AAAA" } });
    expect(ociConfig(spec, { ...options, seccomp: { profile: { a: 1 } }, cgroupPath: "p/s" })).toMatchObject({
      annotations: {},
      linux: { seccomp: { a: 1 }, cgroupsPath: "/p/s/c" },
    });
  });
});
