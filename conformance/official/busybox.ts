// A root file system as small as Alpine's, which does what suites ask of that one: Debian's static busybox under all of its names.
import { chmod, copyFile, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "../cache.ts";
import { debianFiles } from "../debian-files.ts";
import { runCommand } from "../run-command.ts";

const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  "etc/group": "root:x:0:\nnogroup:x:65534:\n",
  "etc/os-release": 'NAME="busybox"\nID=busybox\nPRETTY_NAME="busybox, for tests"\n',
};
/** Debian leaves it out. */
const PRINTENV = `#!/bin/sh
[ $# = 0 ] && exec env
exec awk 'BEGIN { for (i = 1; i < ARGC; i++) if (ARGV[i] in ENVIRON) print ENVIRON[ARGV[i]]; else code = 1; exit code }' "$@"
`;
/** Of everything in it, so that it is the same layer each time. */
const TAR = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, output } = await runCommand(command, args, { cwd, env: process.env });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
  return stdout;
}

/** A tar file of it. */
export async function busyboxLayer(): Promise<string> {
  const debian = await debianFiles(["busybox-static"]);
  const dir = await cached("busybox", { debian, FILES, PRINTENV }, async (target) => {
    const root = join(target, "root");
    for (const name of ["bin", "etc", "root", "tmp", "usr/bin", "var/tmp"]) await mkdir(join(root, name), { recursive: true });
    for (const name of ["tmp", "var/tmp"]) await chmod(join(root, name), 0o1777);
    await copyFile(join(debian, "bin/busybox"), join(root, "bin/busybox"));
    for (const applet of (await run(join(root, "bin/busybox"), ["--list"], root)).trim().split("\n"))
      if (applet !== "busybox") await symlink("busybox", join(root, "bin", applet));
    await symlink("/bin/env", join(root, "usr/bin/env"));
    await writeFile(join(root, "bin/printenv"), PRINTENV, { mode: 0o755 });
    for (const [name, content] of Object.entries(FILES)) await writeFile(join(root, name), content);
    await run("tar", [...TAR, "-cf", "layer.tar", "-C", "root", "."], target);
    await rm(root, { recursive: true });
  });
  return join(dir, "layer.tar");
}
