// The base image in a registry of the bench's own: Debian with apt.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { accepting, output, service } from "../processes.ts";

export interface Base extends AsyncDisposable {
  readonly host: string;
  readonly image: string;
}

const PORT = 48_798;

export async function startBase(dir: string): Promise<Base> {
  await mkdir(dir, { recursive: true });
  const host = `127.0.0.1:${PORT}`;
  const settings = join(dir, "registry.yml");
  await writeFile(settings, `version: 0.1\nstorage: {filesystem: {rootdirectory: ${dir}/storage}}\nhttp: {addr: "${host}"}\n`);
  const registry = service("docker-registry", ["serve", settings]);
  await accepting({ port: PORT });
  const rootfs = process.env.BENCH_ROOTFS ?? join(dir, "rootfs.tar");
  if (process.env.BENCH_ROOTFS === undefined)
    await output("mmdebstrap", "--mode=root", "--variant=apt", "--include=ca-certificates", "--format=tar", "bookworm", rootfs);
  // buildah makes the image: it is what Debian has for that.
  const policy = join(dir, "policy.json");
  await writeFile(policy, '{"default": [{"type": "insecureAcceptAnything"}]}');
  const run = (command: string, ...args: string[]) =>
    output("buildah", "--root", join(dir, "root"), "--runroot", join(dir, "run"), "--storage-driver", "overlay", command, ...args);
  const container = (await run("from", "scratch")).trim();
  await run("add", container, rootfs, "/");
  await run("commit", "--rm", "--signature-policy", policy, "--tls-verify=false", container, `docker://${host}/bench/debian:12`);
  return {
    host,
    image: `${host}/bench/debian:12`,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await output("umount", join(dir, "root/overlay")).catch(() => undefined);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
