// COPY and ADD: a layer with files of the build context, made without a container.
import { constants } from "node:fs";
import { chmod, copyFile, utimes, writeFile } from "node:fs/promises";
import type { Copy } from "../dockerfile/instructions.ts";
import { invalid } from "../dockerfile/parse.ts";
import { expandVariables, type Lookup } from "../dockerfile/words.ts";
import { throwIfCancelled } from "../errors.ts";
import { type Hashable, sha256Hex } from "../keys.ts";
import { isArchive, prepareAddArchives } from "./add-archive.ts";
import type { ContextFile } from "./context.ts";
import { copyArguments } from "./copy-arguments.ts";
import { prepareCopyFrom, type SourceImage } from "./copy-from.ts";
import { type CopyTarget, planCopy } from "./copy-plan.ts";
import { exclusion } from "./glob.ts";
import { LayerWriter, type LayerWriterOptions } from "./layer-writer.ts";

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
  /** Where files come from instead of the build context. */
  readonly from?: SourceImage;
}

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
  const { view, owner, mode, exclude, ...said } = await copyArguments(instruction, input);
  if (input.from !== undefined) return prepareCopyFrom({ ...said, view, owner, mode, exclude, workdir }, input.from);
  const inline = instruction.heredocs.map((heredoc) =>
    inlineFile(heredoc.name, heredoc.expand ? expandVariables(heredoc.body, lookup) : heredoc.body),
  );
  const sources = said.sources.map((word) => (/^<<-?\w+$/.test(word) ? `/.here-documents/${word.replace(/^<<-?/, "")}` : word));
  if (instruction.keyword === "ADD" && sources.some(isArchive)) {
    const kept = instruction.chown === undefined ? undefined : owner; // Else everything belongs to whom the archive says.
    return prepareAddArchives({ ...said, sources, view, mode, exclude, owner: kept, workdir }, input.context);
  }
  const context = inline.length === 0 ? input.context : [...input.context, ...inline];
  const parents = instruction.parents === true && { parents: true };
  const targets = planCopy(context, {
    ...said,
    sources,
    workdir,
    ...parents,
    ...(exclude.length === 0 ? {} : { isExcluded: exclusion(exclude) }),
  });
  return {
    key: { mode, owner: { ...owner }, files: targets.map(({ path, file }) => [path, file.sha256, file.mode]) },
    make: (target, signal) => makeFilesLayer(target, targets, { view, owner, ...(mode === undefined ? {} : { mode }) }, signal),
  };
}

function inlineFile(name: string, text: string): ContextFile {
  const data = Buffer.from(text);
  return { path: `/.here-documents/${name}`, sha256: sha256Hex(data), mode: 0o644, content: { data } };
}

export interface FilesLayerOptions extends LayerWriterOptions {
  /** Mode of all files. Default each file's own. */
  readonly mode?: number;
}

/** Writes files, with the directories that they need, below `root`, which is created. */
export async function makeFilesLayer(
  root: string,
  targets: readonly CopyTarget[],
  options: FilesLayerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { mode, owner = { uid: 0, gid: 0 } } = options;
  const writer = await LayerWriter.create(root, options);
  for (const { path, file } of targets) {
    throwIfCancelled(signal);
    const target = await writer.place(path);
    if ("data" in file.content) await writeFile(target, file.content.data);
    else await copyFile(file.content.file, target, constants.COPYFILE_FICLONE);
    await chmod(target, mode ?? file.mode & 0o7777);
    await writer.own(target, owner);
    await utimes(target, 0, 0);
  }
}
