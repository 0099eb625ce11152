import { describe, expect, it } from "vitest";
import { parseCgroupLayout } from "./cgroup-layout.ts";
import { checkLimits, limitWrites } from "./limits.ts";

const v2 = parseCgroupLayout("x /sys/fs/cgroup cgroup2 rw 0 0", "cpu memory pids") ?? expect.fail("no layout");
const v1 =
  parseCgroupLayout("x /c/memory cgroup memory 0 0\nx /c/pids cgroup pids 0 0\nx /c/cpu cgroup cpu 0 0", "") ?? expect.fail("no layout");
const values = (layout: typeof v1, limits: Parameters<typeof limitWrites>[0]) =>
  limitWrites(limits, layout).map((write) => `${write.file}=${write.value}`);

describe("limits", () => {
  it("writes version 2 files and forbids swap", () => {
    expect(values(v2, { cpu: 0.5, memoryMiB: 64, pids: 10 })).toEqual([
      "pids.max=12",
      "memory.max=67108864",
      "memory.swap.max=0",
      "cpu.max=50000 100000",
    ]);
  });

  it("opens memory with swap before memory and closes it after, in version 1", () => {
    expect(values(v1, { memoryMiB: 64 }).filter((each) => each.startsWith("memory"))).toEqual([
      "memory.memsw.limit_in_bytes=-1",
      "memory.limit_in_bytes=67108864",
      "memory.memsw.limit_in_bytes=67108864",
    ]);
  });

  it("lifts what is absent", () => {
    expect(values(v2, {})).toEqual(["pids.max=4098", "memory.max=max", "memory.swap.max=max", "cpu.max=max 100000"]);
    expect(values(v1, {})).toContain("cpu.cfs_quota_us=-1");
  });

  it.each([{ cpu: 0 }, { memoryMiB: 1 }, { pids: 0 }, { diskMiB: Number.NaN }])("refuses %j and names the rule", (limits) => {
    expect(() => checkLimits(limits)).toThrow(/^limits\.\w+ is .*; it must be at least/);
  });
});
