import { describe, expect, it } from "vitest";
import { parseCgroupLayout } from "./cgroup-layout.ts";

const mount = (directory: string, type: string, options: string) => `${type} ${directory} ${type} rw,${options} 0 0`;
const v1 = ["memory", "pids", "cpu,cpuacct", "devices"].map((each) => mount(`/sys/fs/cgroup/${each}`, "cgroup", each)).join("\n");

describe("the control groups of a machine", () => {
  it("reads version 1", () => {
    const layout = parseCgroupLayout(v1, "");
    expect(layout).toMatchObject({ version: 1, roots: { cpu: "/sys/fs/cgroup/cpu,cpuacct", cpuacct: "/sys/fs/cgroup/cpu,cpuacct" } });
    expect(layout).not.toHaveProperty("unified");
  });

  it("reads hybrid as version 1 with a version 2 tree", () => {
    const layout = parseCgroupLayout(`${v1}\n${mount("/sys/fs/cgroup/unified", "cgroup2", "nsdelegate")}`, "hugetlb");
    expect(layout).toMatchObject({ version: 1, unified: "/sys/fs/cgroup/unified" });
    expect(layout?.trees).toContain("/sys/fs/cgroup/unified");
  });

  it("reads version 2", () => {
    expect(parseCgroupLayout(mount("/sys/fs/cgroup", "cgroup2", "x"), "cpu memory pids io\n")).toMatchObject({
      version: 2,
      roots: { memory: "/sys/fs/cgroup", pids: "/sys/fs/cgroup", cpu: "/sys/fs/cgroup" },
    });
  });

  it("says when there are none", () => {
    expect(parseCgroupLayout("proc /proc proc rw 0 0\n", "")).toBeUndefined();
  });
});
