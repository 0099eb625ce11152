// ADD of archives of the build context: they are unpacked into the destination.
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { unpackTar } from "../archive/unpack.ts";
import { ImageError } from "../errors.ts";
import type { ContextFile } from "./context.ts";
import type { CopyArguments } from "./copy-arguments.ts";
import { planCopy } from "./copy-plan.ts";
import type { CopyStep } from "./copy-step.ts";
import { placeTree } from "./place-tree.ts";

/** Programs that undo what Node cannot. */
const DECODERS: Readonly<Record<string, string>> = { bz2: "bzip2", tbz2: "bzip2", xz: "xz", txz: "xz", zst: "zstd" };
const ARCHIVE = /\.(?:tar|tar\.(gz|bz2|xz|zst)|(tgz|tbz2|txz))$/;

export function isArchive(path: string): boolean {
  return ARCHIVE.test(path);
}

/** Throws RangeError for sources that are not all archives of the context. */
export function prepareAddArchives(
  said: Omit<CopyArguments, "owner"> & { owner: CopyArguments["owner"] | undefined; workdir: string },
  context: readonly ContextFile[],
): CopyStep {
  const plain = said.sources.find((source) => !isArchive(source));
  if (plain !== undefined) throw new RangeError(`archives are unpacked and "${plain}" is not one; use two instructions`);
  const destination = posix.resolve(said.workdir, said.destination);
  const archives = planCopy(context, { ...said, destination: "/", workdir: "/", destinationIsDirectory: true });
  const { view, mode, owner } = said;
  return {
    key: { unpack: archives.map(({ file }) => file.sha256), destination, mode, owner: owner && { ...owner } },
    make: async (layer, signal) => {
      const trees: string[] = [];
      for (const [index, { path, file }] of archives.entries()) {
        const into = join(dirname(layer), `archive-${index}`);
        await mkdir(into);
        await unpackTar(decoded(path, file, signal), { into, keepOwners: process.getuid?.() === 0, signal });
        trees.push(into);
      }
      const placements = trees.map((from) => ({ from, path: destination }));
      const options = { view, ...(owner === undefined ? {} : { owner }), ...(mode === undefined ? {} : { mode }) };
      await placeTree(layer, placements, options, signal);
    },
  };
}

async function* decoded(path: string, { content }: ContextFile, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const source = "data" in content ? Readable.from([content.data]) : createReadStream(content.file);
  const [, long, short] = ARCHIVE.exec(path) ?? [];
  const kind = long ?? short;
  if (kind === undefined) return yield* source;
  if (kind === "gz" || kind === "tgz") return yield* source.pipe(createGunzip());
  const program = DECODERS[kind] ?? kind;
  const child = spawn(program, ["-dc"], { stdio: ["pipe", "pipe", "ignore"], signal });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", () =>
      reject(new ImageError("unsupported", `${posix.basename(path)} needs ${program}, which could not be run on this machine.`)),
    );
    child.once("close", resolve);
  });
  ended.catch(() => {}); // Reported below, after what came out has been read.
  child.stdin.on("error", () => {});
  source.pipe(child.stdin);
  yield* child.stdout;
  if ((await ended) !== 0) throw new ImageError("corrupt", `${posix.basename(path)} is not an archive that ${program} can read.`);
}
