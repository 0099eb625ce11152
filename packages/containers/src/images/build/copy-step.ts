// COPY and ADD: a layer with files of the build context, made without a container.
import { constants } from "node:fs";
import { chmod, chown, copyFile, lstat, mkdir, rm, utimes, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import type { Copy } from "../dockerfile/instructions.ts";
import { invalid } from "../dockerfile/parse.ts";
import { expandValue, expandVariables, type Lookup, splitWords } from "../dockerfile/words.ts";
import { throwIfCancelled } from "../errors.ts";
import { type Hashable, sha256Hex } from "../keys.ts";
import type { ContextFile } from "./context.ts";
import { type CopyTarget, planCopy } from "./copy-plan.ts";
import { RootfsView } from "./rootfs-view.ts";

export interface CopyStep {
  /** What the layer's content depends on, apart from the layers below. */
  readonly key: Hashable;
  make(target: string, signal: AbortSignal): Promise<void>;
}

export interface CopyInput {
  readonly context: readonly ContextFile[];
  /** Directories of the layers below, topmost first. */
  readonly layers: readonly string[];
  readonly workdir: string;
  readonly lookup: Lookup;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const ARCHIVE = /\.(tar|tar\.(gz|bz2|xz|zst)|tgz|tbz2|txz)$/;

export async function prepareCopy(instruction: Copy, input: CopyInput): Promise<CopyStep> {
  try {
    return await prepare(instruction, input);
  } catch (error) {
    if (error instanceof RangeError) throw invalid(instruction.line, instruction.text, `cannot be done: ${error.message}.`);
    throw error;
  }
}

async function prepare(instruction: Copy, input: CopyInput): Promise<CopyStep> {
  const { lookup, workdir } = input;
  const words =
    typeof instruction.paths === "string"
      ? splitWords(instruction.paths, lookup)
      : instruction.paths.map((path) => expandVariables(path, lookup));
  const destination = words.at(-1) ?? "/";
  const view = new RootfsView(input.layers);
  const inline = instruction.heredocs.map((heredoc) =>
    inlineFile(heredoc.name, heredoc.expand ? expandVariables(heredoc.body, lookup) : heredoc.body),
  );
  const sources = words.slice(0, -1).map((word) => (/^<<-?\w+$/.test(word) ? `/.here-documents/${word.replace(/^<<-?/, "")}` : word));
  const archive = instruction.keyword === "ADD" ? sources.find((source) => ARCHIVE.test(source)) : undefined;
  if (archive !== undefined) throw new RangeError(`unpacking "${archive}" is not served; use COPY and unpack it in a RUN instruction`);
  const real = await view.resolveDirectory(posix.resolve(workdir, destination));
  const existing = real === "/" ? true : (await view.entry(real))?.stats.isDirectory();
  const context = inline.length === 0 ? input.context : [...input.context, ...inline];
  const targets = planCopy(context, { sources, destination, workdir, destinationIsDirectory: existing ?? false });
  const chmodText = instruction.chmod === undefined ? undefined : expandValue(instruction.chmod, lookup);
  if (chmodText !== undefined && !/^[0-7]{3,4}$/.test(chmodText))
    throw new RangeError(`--chmod=${chmodText} is not three or four octal digits`);
  const mode = chmodText === undefined ? undefined : Number.parseInt(chmodText, 8);
  const owner = instruction.chown === undefined ? { uid: 0, gid: 0 } : await findOwner(expandValue(instruction.chown, lookup), view);
  return {
    key: { mode, owner: { ...owner }, files: targets.map(({ path, file }) => [path, file.sha256, file.mode]) },
    make: (target, signal) => makeFilesLayer(target, targets, { view, owner, ...(mode === undefined ? {} : { mode }) }, signal),
  };
}

function inlineFile(name: string, text: string): ContextFile {
  const data = Buffer.from(text);
  return { path: `/.here-documents/${name}`, sha256: sha256Hex(data), mode: 0o644, content: { data } };
}

export interface FilesLayerOptions {
  /** The image below, whose links and directories are respected. */
  readonly view: RootfsView;
  /** Owner of the files and new directories. Default root. */
  readonly owner?: Owner;
  /** Mode of all files. Default each file's own. */
  readonly mode?: number;
  /** Modes of directories that are not in `view`. Default 0755. */
  readonly modes?: ReadonlyMap<string, number>;
}

/** Writes files, with the directories that they need, below `root`, which is created. */
export async function makeFilesLayer(
  root: string,
  targets: readonly CopyTarget[],
  options: FilesLayerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { view, mode, owner = { uid: 0, gid: 0 } } = options;
  await mkdir(root);
  await chmod(root, 0o755);
  const ownsFiles = process.getuid?.() === 0;
  const made = new Set<string>(["/"]);
  const makeDirectory = async (path: string): Promise<void> => {
    if (made.has(path)) return;
    await makeDirectory(posix.dirname(path));
    made.add(path);
    const below = await view.entry(path);
    const kept = below?.stats.isDirectory() ? below.stats : undefined;
    await mkdir(join(root, path));
    await chmod(join(root, path), kept === undefined ? (options.modes?.get(path) ?? 0o755) : kept.mode & 0o7777);
    if (ownsFiles) await chown(join(root, path), kept?.uid ?? owner.uid, kept?.gid ?? owner.gid);
  };
  for (const { path, file } of targets) {
    throwIfCancelled(signal);
    const directory = await view.resolveDirectory(posix.dirname(path));
    await makeDirectory(directory);
    const target = join(root, directory, posix.basename(path));
    // Two names can mean one place once links are followed; the last one wins, as with files that are written in turn.
    if (await lstat(target).catch(() => undefined)) await rm(target, { recursive: true });
    if ("data" in file.content) await writeFile(target, file.content.data);
    else await copyFile(file.content.file, target, constants.COPYFILE_FICLONE);
    await chmod(target, mode ?? file.mode & 0o7777);
    if (ownsFiles) await chown(target, owner.uid, owner.gid);
    await utimes(target, 0, 0);
  }
}

/** `user[:group]` by number or by the image's own /etc/passwd and /etc/group. */
async function findOwner(text: string, view: RootfsView): Promise<Owner> {
  const [user = "", group] = text.split(":");
  const passwd = /^\d+$/.test(user) && group !== undefined ? undefined : await record(view, "/etc/passwd", user);
  const uid = /^\d+$/.test(user) ? Number(user) : Number(passwd?.[2] ?? Number.NaN);
  if (!Number.isInteger(uid)) throw new RangeError(`the image has no user "${user}"`);
  if (group === undefined) return { uid, gid: Number(passwd?.[3] ?? uid) };
  const gid = /^\d+$/.test(group) ? Number(group) : Number((await record(view, "/etc/group", group))?.[2] ?? Number.NaN);
  if (!Number.isInteger(gid)) throw new RangeError(`the image has no group "${group}"`);
  return { uid, gid };
}

async function record(view: RootfsView, path: string, name: string): Promise<readonly string[] | undefined> {
  const lines = (await view.read(path))?.split("\n") ?? [];
  return lines.map((line) => line.split(":")).find((fields) => fields[0] === name || (/^\d+$/.test(name) && fields[2] === name));
}
