// What the mounts of a RUN instruction are made from. None of it is kept in the layer.
import { mkdir } from "node:fs/promises";
import { join, posix } from "node:path";
import type { Bind } from "../../host.ts";
import type { Run } from "../dockerfile/instructions.ts";
import type { RunMount } from "../dockerfile/mounts.ts";
import { invalid } from "../dockerfile/parse.ts";
import { expandValue, type Lookup } from "../dockerfile/words.ts";
import type { Hashable } from "../keys.ts";
import type { ContextFile } from "./context.ts";
import { findSources, type SourceImage } from "./copy-from.ts";
import { planCopy } from "./copy-plan.ts";
import { makeFilesLayer } from "./copy-step.ts";
import { copyImageFiles } from "./image-files.ts";
import { RootfsView } from "./rootfs-view.ts";

export interface PreparedMount {
  readonly key: Hashable;
  /** `dir` is a private directory that does not exist yet. */
  make(dir: string, signal: AbortSignal): Promise<Bind>;
}

interface MountInput {
  readonly context: readonly ContextFile[];
  readonly workdir: string;
  readonly lookup: Lookup;
  readonly from?: SourceImage;
}

/** Undefined when what a mount names is not there and may not be fetched. Throws ImageError for a source that does not exist. */
export async function prepareMounts(
  instruction: Run,
  input: MountInput,
  sourceOf: (name: string) => Promise<SourceImage | undefined>,
): Promise<readonly PreparedMount[] | undefined> {
  const prepared: PreparedMount[] = [];
  for (const mount of instruction.mounts) {
    const from = mount.from === undefined ? undefined : await sourceOf(mount.from);
    if (from === undefined && mount.from !== undefined) return undefined;
    try {
      prepared.push(await prepareMount(mount, from === undefined ? input : { ...input, from }));
    } catch (error) {
      if (error instanceof RangeError) throw invalid(instruction.line, instruction.text, `cannot be done: ${error.message}.`);
      throw error;
    }
  }
  return prepared;
}

/** Makes them in private directories below `scratch`. */
export async function makeMounts(mounts: readonly PreparedMount[], scratch: string, signal: AbortSignal): Promise<readonly Bind[]> {
  const binds: Bind[] = [];
  for (const [index, mount] of mounts.entries()) binds.push(await mount.make(join(scratch, `mount-${index}`), signal));
  return binds;
}

async function prepareMount(mount: RunMount, input: MountInput): Promise<PreparedMount> {
  const target = posix.resolve(input.workdir, expandValue(mount.target, input.lookup));
  const bind = (source: string): Bind => ({ source, target, readOnly: !mount.writable });
  const key = { type: mount.type, target, writable: mount.writable };
  if (mount.type !== "bind")
    return {
      key,
      make: async (dir) => {
        await mkdir(dir, { mode: 0o777 });
        return bind(dir);
      },
    };
  const source = expandValue(mount.source, input.lookup);
  const { from } = input;
  if (from !== undefined) {
    const [found] = await findSources(new RootfsView(from.layers), source, from.name);
    const real = found?.real ?? "/";
    return {
      key: { ...key, from: from.ids, real },
      make: async (dir, signal) => {
        await mkdir(dir);
        const to = join(dir, "files");
        await copyImageFiles({ layers: from.layers, files: [{ path: real, to }], scratch: dir, signal });
        return bind(to);
      },
    };
  }
  const targets = planCopy(input.context, { sources: [source], destination: "/files", workdir: "/", destinationIsDirectory: false });
  return {
    key: { ...key, files: targets.map(({ path, file }) => [path, file.sha256, file.mode]) },
    make: async (dir, signal) => {
      await makeFilesLayer(dir, targets, { view: new RootfsView([]) }, signal);
      return bind(join(dir, "files"));
    },
  };
}
