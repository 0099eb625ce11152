// An image that is as small as Alpine's and does what suites ask of that one: Debian's static busybox under all of its names.
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { cached } from "../cache.ts";
import { debianFiles } from "../debian-files.ts";
import { runCommand } from "../run-command.ts";

/** What a registry is given: blobs by digest, and the manifest that names them. */
export interface ImageParts {
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly manifest: string;
  readonly mediaType: string;
}

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const OS_RELEASE = 'NAME="busybox"\nID=busybox\nPRETTY_NAME="busybox, for tests"\n';
/** Of everything in it, so that it is the same image each time. */
const TAR = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, output } = await runCommand(command, args, { cwd, env: process.env });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
  return stdout;
}

/** A tar archive of the root file system. */
async function archive(): Promise<Buffer> {
  const debian = await debianFiles(["busybox-static"]);
  const dir = await cached("busybox", { debian, PASSWD, OS_RELEASE }, async (target) => {
    const root = join(target, "root");
    for (const name of ["bin", "etc", "root", "tmp", "usr/bin", "var/tmp"]) await mkdir(join(root, name), { recursive: true });
    await run("chmod", ["1777", "tmp", "var/tmp"], root);
    await copyFile(join(debian, "bin/busybox"), join(root, "bin/busybox"));
    for (const applet of (await run(join(root, "bin/busybox"), ["--list"], root)).trim().split("\n"))
      if (applet !== "busybox") await symlink("busybox", join(root, "bin", applet));
    await symlink("/bin/env", join(root, "usr/bin/env"));
    await writeFile(join(root, "etc/passwd"), PASSWD);
    await writeFile(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
    await writeFile(join(root, "etc/os-release"), OS_RELEASE);
    await run("tar", [...TAR, "-cf", "layer.tar", "-C", "root", "."], target);
    await rm(root, { recursive: true });
  });
  return readFile(join(dir, "layer.tar"));
}

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** `label` makes it another image with the same files. */
export async function busyboxImage(label: string): Promise<ImageParts> {
  const layer = await archive();
  const packed = gzipSync(layer);
  const config = Buffer.from(
    JSON.stringify({
      os: "linux",
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["/bin/sh"], Labels: { label } },
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    }),
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const describe = (bytes: Buffer, type: string) => ({ mediaType: type, digest: digestOf(bytes), size: bytes.length });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: describe(config, "application/vnd.oci.image.config.v1+json"),
    layers: [describe(packed, "application/vnd.oci.image.layer.v1.tar+gzip")],
  });
  return {
    blobs: new Map([
      [digestOf(config), config],
      [digestOf(packed), packed],
    ]),
    manifest,
    mediaType,
  };
}
