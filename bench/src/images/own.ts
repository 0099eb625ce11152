// Lydian's own builder, as the server uses it, in this process.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { BaseImages, type BuiltImage, type ContextFile, createHost, ImageBuilder, LayerStore } from "@lydian/containers";
import { output } from "../processes.ts";
import type { Builder } from "./builder.ts";
import type { Context } from "./context.ts";

export async function own(dir: string): Promise<Builder> {
  const store = await LayerStore.open({ dir: join(dir, "layers") });
  const launcherProgram = process.env.BENCH_LAUNCHER;
  const host = await createHost({
    kind: "oci",
    stateDir: join(dir, "host"),
    ...(launcherProgram === undefined ? {} : { launcherProgram }),
  });
  const builder = new ImageBuilder({ store, host, bases: new BaseImages({ store }) });
  let built: BuiltImage | undefined;
  return {
    name: "Lydian's own",
    store: store.dir,
    async build(context) {
      const lines = (await readFile(context.dockerfile, "utf8")).trim().split("\n");
      built = await builder.build(
        { lines, context: await filesOf(context) },
        { onLog: ({ text }) => process.env.BENCH_DEBUG && console.error(text) },
      );
    },
    async withRootfs(_, run) {
      const merged = join(dir, "merged");
      await mkdir(merged, { recursive: true });
      const lower = (built?.layers ?? []).map((id) => store.path(id)).reverse();
      await output("mount", "-t", "overlay", "overlay", "-o", `lowerdir=${lower.join(":")}`, merged);
      try {
        return await run(merged);
      } finally {
        await output("umount", merged);
      }
    },
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** What a client sends of the context: names, digests, contents. */
async function filesOf({ dir }: Context): Promise<ContextFile[]> {
  const files: ContextFile[] = [];
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const sha256 = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    files.push({ path: `/${relative(dir, file)}`, sha256, mode: (await stat(file)).mode & 0o777, content: { file } });
  }
  return files;
}
