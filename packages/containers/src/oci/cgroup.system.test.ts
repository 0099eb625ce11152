import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { inUserNamespace } from "../rootless/user-namespace.ts";
import { Cgroup } from "./cgroup.ts";
import { type CgroupLayout, readCgroupLayout } from "./cgroup-layout.ts";

const isRoot = process.platform === "linux" && process.getuid?.() === 0 && !inUserNamespace();
const layout = isRoot ? await readCgroupLayout() : undefined;
/** The version 2 tree of the machine, alone. On a hybrid machine it is there beside version 1. */
const root = layout?.version === 2 ? layout.trees[0] : layout?.unified;

it.skipIf(root === undefined)(
  root === undefined ? "has no control groups of version 2 here, so not: freezes with them" : "freezes with control groups of version 2",
  async () => {
    const only: CgroupLayout = { version: 2, roots: { cpu: root as string }, trees: [root as string] };
    const group = new Cgroup(only, `lydian-test-${process.pid}`);
    const child = spawn("sh", ["-c", "read line; echo $line"], { stdio: ["pipe", "pipe", "ignore"] });
    try {
      await group.create({ shell: false });
      for (const file of group.procsFiles()) await writeFile(file, String(child.pid));
      await group.freeze();
      expect(await readFile(join(root as string, group.path, "cgroup.events"), "utf8")).toContain("frozen 1");
      const answer = once(child.stdout, "data");
      child.stdin.write("on\n");
      await group.thaw();
      expect(String(await answer)).toBe("on\n");
      await group.freeze();
    } finally {
      await group.remove();
    }
    expect(child.signalCode ?? child.exitCode ?? (await once(child, "exit"))).toBeDefined();
  },
);
