// Programs of Debian packages, unpacked into the cache instead of installed.
import { spawnSync } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { runCommand } from "./run-command.ts";

/** Whether this machine has Debian's tools. */
export const hasDebian = ["apt-get", "dpkg-deb"].every((tool) => spawnSync(tool, ["--version"]).status === 0);
if (!hasDebian) console.warn("The tests with a registry of their own are skipped: there is no apt-get here to get one with.");

/** A directory with the files of these packages, without those that they depend on. */
export const debianFiles = (packages: readonly string[]): Promise<string> =>
  cached("debian", packages, async (dir) => {
    const download = () => runCommand("apt-get", ["-q", "download", ...packages], { cwd: dir, env: process.env });
    let ended = await download();
    if (ended.code !== 0) {
      // A fresh machine has no lists of packages yet.
      await runCommand("apt-get", ["-q", "update"], { env: process.env });
      ended = await download();
    }
    if (ended.code !== 0) throw new Error(`apt-get could not download ${packages.join(", ")}:\n${ended.output}`);
    for (const name of await readdir(dir)) {
      const { code, output } = await runCommand("dpkg-deb", ["-x", name, "."], { cwd: dir, env: process.env });
      if (code !== 0) throw new Error(`${name} could not be unpacked:\n${output}`);
      await rm(join(dir, name));
    }
  });
