// A root file system of a few megabytes for tests: the machine's own shell and tools with their libraries.

import { execFile } from "node:child_process";
import { copyFile, mkdir, realpath, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const TOOLS =
  "sh bash cat dd echo grep head id kill ls mkdir mknod mount rm mv ln rmdir chmod mkfifo cp seq sha256sum sleep sort stat tail timeout touch true unshare wc".split(
    " ",
  );

/** Fills `dir`, which is then usable as a layer. */
export async function makeRootfs(dir: string): Promise<void> {
  for (const each of ["bin", "etc", "proc", "sys", "dev", "tmp", "data"]) await mkdir(join(dir, each), { recursive: true });
  const copied = new Set<string>();
  const copy = async (from: string, to: string) => {
    if (copied.has(to)) return;
    copied.add(to);
    await mkdir(dirname(join(dir, to)), { recursive: true });
    await copyFile(from, join(dir, to));
  };
  for (const tool of TOOLS) {
    const { stdout } = await run("sh", ["-c", `PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v ${tool} || true`]);
    // A shell builtin answers with its bare name.
    const path = stdout.trim().startsWith("/") ? stdout.trim() : `/usr/bin/${tool}`;
    await copy(await realpath(path), `/bin/${tool}`);
    const libraries = await run("ldd", [path]);
    for (const [library] of libraries.stdout.matchAll(/\/\S+/g)) await copy(await realpath(library), library);
  }
  await writeFile(join(dir, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
}
