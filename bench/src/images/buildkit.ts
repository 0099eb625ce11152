// BuildKit: its daemon with runc and overlay snapshots, and its command.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { accepting, output, service } from "../processes.ts";
import type { Builder } from "./builder.ts";
import type { Context } from "./context.ts";

export async function buildkit(dir: string, programs: string, registry: string): Promise<Builder> {
  const socket = join(dir, "buildkitd.sock");
  const root = join(dir, "root");
  const config = join(dir, "buildkitd.toml");
  await mkdir(root, { recursive: true });
  await writeFile(
    config,
    [
      `root = "${root}"`,
      `[grpc]\naddress = ["unix://${socket}"]`,
      `[worker.oci]\nenabled = true\nnetworkMode = "host"\ngc = false`,
      `[worker.containerd]\nenabled = false`,
      `[registry."${registry}"]\nhttp = true`,
    ].join("\n"),
  );
  const daemon = service(join(programs, "buildkitd"), ["--config", config]);
  await accepting({ path: socket });
  const build = ({ dir: context }: Context, ...more: string[]) =>
    output(
      ...([join(programs, "buildctl"), "--addr", `unix://${socket}`, "build", "--progress=plain", "--frontend=dockerfile.v0"] as const),
      ...["--local", `context=${context}`, "--local", `dockerfile=${context}`, ...more],
    );
  return {
    name: `BuildKit (${(await output(join(programs, "buildkitd"), "--version")).split(" ")[2]})`,
    store: root,
    build: async (context) => void (await build(context)),
    async withRootfs(context, run) {
      const rootfs = join(dir, "rootfs");
      await mkdir(rootfs);
      try {
        // Its other way out, a tree of files, did not end within five minutes.
        await build(context, "--output", `type=tar,dest=${rootfs}.tar`);
        await output("tar", "-xf", `${rootfs}.tar`, "-C", rootfs);
        return await run(rootfs);
      } finally {
        await rm(rootfs, { recursive: true, force: true });
      }
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
