// Limits as the control group files that express them.

import type { Limits } from "../host.ts";
import type { CgroupLayout, Controller } from "./cgroup-layout.ts";

const DEFAULT_PIDS = 4_096;
export const DEFAULT_DISK_MIB = 10_240;
/** The runtime's own process and its shell live in the same group. */
const RUNTIME_PIDS = 2;
const PERIOD_US = 100_000;
/** The kernel refuses less. */
const MIN_QUOTA_US = 1_000;
const MIB = 1024 * 1024;

export interface CgroupWrite {
  readonly controller: Controller;
  readonly file: string;
  readonly value: string;
  /** The file does not exist on every kernel. */
  readonly optional?: boolean;
}

/** Throws a RangeError that names the value and the rule. */
export function checkLimits(limits: Limits): void {
  const rules: readonly [keyof Limits, number, string][] = [
    ["cpu", 0.01, "at least 0.01 cores"],
    ["memoryMiB", 6, "at least 6 MiB"],
    ["pids", 1, "at least 1"],
    ["diskMiB", 8, "at least 8 MiB"],
  ];
  for (const [name, least, rule] of rules) {
    const value = limits[name];
    if (value !== undefined && !(Number.isFinite(value) && value >= least)) {
      throw new RangeError(`limits.${name} is ${value}; it must be ${rule}.`);
    }
  }
}

/** What to write, in order. Swap counts as memory: what exceeds `memoryMiB` is killed, not swapped. */
export function limitWrites(limits: Limits, layout: CgroupLayout): readonly CgroupWrite[] {
  const memory = limits.memoryMiB === undefined ? undefined : String(Math.floor(limits.memoryMiB * MIB));
  const quota = limits.cpu === undefined ? undefined : Math.max(MIN_QUOTA_US, Math.round(limits.cpu * PERIOD_US));
  const pids: CgroupWrite = { controller: "pids", file: "pids.max", value: String((limits.pids ?? DEFAULT_PIDS) + RUNTIME_PIDS) };
  if (layout.version === 2) {
    return [
      pids,
      { controller: "memory", file: "memory.max", value: memory ?? "max" },
      { controller: "memory", file: "memory.swap.max", value: memory === undefined ? "max" : "0", optional: true },
      { controller: "cpu", file: "cpu.max", value: `${quota ?? "max"} ${PERIOD_US}` },
    ];
  }
  const limit = memory ?? "-1";
  // Memory plus swap may never be below memory: open it first, close it last.
  return [
    pids,
    { controller: "memory", file: "memory.memsw.limit_in_bytes", value: "-1", optional: true },
    { controller: "memory", file: "memory.limit_in_bytes", value: limit },
    { controller: "memory", file: "memory.memsw.limit_in_bytes", value: limit, optional: true },
    { controller: "cpu", file: "cpu.cfs_period_us", value: String(PERIOD_US) },
    { controller: "cpu", file: "cpu.cfs_quota_us", value: String(quota ?? -1) },
  ];
}

/** Device nodes a container may open (version 1 only; elsewhere `nodev` mounts and the missing CAP_MKNOD do it). */
export const DEVICE_RULES: readonly string[] = [
  "c *:* m",
  "b *:* m",
  "c 1:3 rwm",
  "c 1:5 rwm",
  "c 1:7 rwm",
  "c 1:8 rwm",
  "c 1:9 rwm",
  "c 5:0 rwm",
  "c 5:2 rwm",
  "c 136:* rwm",
];
