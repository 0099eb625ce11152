// Debian and Node as the default image has them, put together for the peers.
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { output } from "./processes.ts";

export interface Rootfs {
  readonly path: string;
  unmount(): Promise<void>;
}

export async function mountRootfs(dataDir: string): Promise<Rootfs> {
  const layers = readdirSync(join(dataDir, "layers")).map((name) => join(dataDir, "layers", name));
  const node = layers.find((dir) => existsSync(join(dir, "usr/local/bin/node")));
  const debian = layers.find((dir) => existsSync(join(dir, "etc/debian_version")));
  if (!node || !debian) throw new Error(`no layers of the default image in ${dataDir}`);
  const path = await mkdtemp(join(tmpdir(), "bench-rootfs-"));
  await output("mount", "-t", "overlay", "overlay", "-o", `lowerdir=${node}:${debian}`, path);
  return {
    path,
    async unmount() {
      await output("umount", path);
      await rm(path, { recursive: true });
    },
  };
}
