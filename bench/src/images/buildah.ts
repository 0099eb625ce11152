// buildah: no daemon; its commands share a store.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { output } from "../processes.ts";
import type { Builder } from "./builder.ts";

export async function buildah(dir: string): Promise<Builder> {
  const root = join(dir, "root");
  const policy = join(dir, "policy.json");
  await mkdir(root, { recursive: true });
  await writeFile(policy, '{"default": [{"type": "insecureAcceptAnything"}]}');
  const run = (command: string, ...args: string[]) =>
    output("buildah", "--root", root, "--runroot", join(dir, "run"), "--storage-driver", "overlay", command, ...args);
  return {
    name: `${(await output("buildah", "--version")).split(" ").slice(0, 3).join(" ").replace("version ", "")}, --isolation chroot`,
    store: root,
    build: async ({ dir: context, dockerfile }) =>
      void (await run(
        "bud",
        ...[
          "--layers",
          "--isolation",
          "chroot",
          "--tls-verify=false",
          "--signature-policy",
          policy,
          "-t",
          "bench",
          "-f",
          dockerfile,
          context,
        ],
      )),
    async withRootfs(_, use) {
      const container = (await run("from", "--pull=never", "--signature-policy", policy, "bench")).trim();
      try {
        return await use((await run("mount", container)).trim());
      } finally {
        await run("umount", container);
        await run("rm", container);
      }
    },
    async [Symbol.asyncDispose]() {
      await output("umount", join(root, "overlay")).catch(() => undefined);
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
