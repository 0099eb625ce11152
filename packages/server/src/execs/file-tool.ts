// The tool by which the official clients work with files: a program at a fixed path with one argument, JSON. There is no such program here;
// the agent does the work, and this behaves like the program: its input, its output, its exit.
import { AgentError, type AgentFiles, type Exit, type FileEntry, type FileEvent, type OutputChunk } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import { z } from "zod";
import { Channel } from "./channel.ts";
import type { OutputSource, Program } from "./exec.ts";
import { type FileCommandName, kindOf } from "./file-errors.ts";

export const FILE_TOOL = "/__modal/.bin/modal-sandbox-fs-tools";

/** Larger files are refused before anything of them is read. */
const MAX_READ_BYTES = 5 * 1024 ** 3;

const path = z.string().min(1);
const commandSchema = z.union([
  z.object({ ReadFile: z.object({ path }) }),
  z.object({ WriteFile: z.object({ path }) }),
  z.object({ ListFiles: z.object({ path }) }),
  z.object({ Stat: z.object({ path }) }),
  z.object({ MakeDirectory: z.object({ path, parents: z.boolean().default(false) }) }),
  z.object({ Remove: z.object({ path, recursive: z.boolean().default(false) }) }),
  z.object({
    Watch: z.object({
      path,
      recursive: z.boolean().default(false),
      filter: z.array(z.string()).nullish(),
      timeout_secs: z.number().min(0).nullish(),
    }),
  }),
]);
type FileCommand = z.output<typeof commandSchema>;

/** `use`: the container counts as used until it is disposed. Throws `invalid_argument` for an argument that is no command. */
export function startFileTool(files: AgentFiles, argv: readonly string[], use: () => Disposable): Program {
  const command = parse(argv[1]);
  const [name] = Object.keys(command) as [FileCommandName];
  const abort = new AbortController();
  const input = new Channel<Uint8Array>();
  const output = new Channel<OutputChunk>();
  const print = (text: string, stream: OutputChunk["stream"] = "stdout") => output.push({ stream, data: Buffer.from(text) });
  const run = async (): Promise<Exit> => {
    try {
      await runCommand(files, command, { input, print, signal: abort.signal });
      return { code: 0, oomKilled: false };
    } catch (error) {
      if (abort.signal.aborted) return { signal: "SIGKILL", oomKilled: false };
      await print(`${JSON.stringify(errorOf(name, error))}\n`, "stderr");
      return { code: 1, oomKilled: false };
    } finally {
      input.end();
      output.end();
    }
  };
  const exited = run();
  return {
    output,
    ...("ReadFile" in command && { stdout: fileOutput(files, command.ReadFile.path, exited, use) }),
    exited,
    write: (data) => input.push(data),
    endInput: async () => input.end(),
    kill: () => {
      abort.abort();
      input.end();
      output.end();
    },
  };
}

interface Io {
  readonly input: Channel<Uint8Array>;
  /** Resolves when it has been taken. */
  readonly print: (text: string) => Promise<void>;
  readonly signal: AbortSignal;
}

async function runCommand(files: AgentFiles, command: FileCommand, { input, print, signal }: Io): Promise<void> {
  if ("ReadFile" in command) {
    // The content goes out when it is asked for; whether it can is known now.
    (await files.read(command.ReadFile.path, { largestBytes: MAX_READ_BYTES, signal })).close();
  } else if ("WriteFile" in command) await files.write(command.WriteFile.path, input, { signal });
  else if ("ListFiles" in command) {
    const directory = command.ListFiles.path;
    const entries = await files.list(directory, { signal });
    await print(JSON.stringify(entries.map((entry) => entryOf(entry, join(directory, entry.name.toString())))));
  } else if ("Stat" in command) await print(JSON.stringify(entryOf(await files.stat(command.Stat.path, { signal }), command.Stat.path)));
  else if ("MakeDirectory" in command)
    await files.makeDirectory(command.MakeDirectory.path, { parents: command.MakeDirectory.parents, signal });
  else if ("Remove" in command) await files.remove(command.Remove.path, { recursive: command.Remove.recursive, signal });
  else await watch(files, command.Watch, { input, print, signal });
}

/** Until its time is up, or the end of its input. */
async function watch(
  files: AgentFiles,
  { path: target, recursive, filter, timeout_secs: seconds }: Extract<FileCommand, { Watch: unknown }>["Watch"],
  { input, print, signal }: Io,
): Promise<void> {
  using watched = await files.watch(target, { recursive, signal });
  const timer =
    seconds === undefined || seconds === null ? undefined : setTimeout(() => watched.close(), Math.min(seconds * 1000, 2 ** 31 - 1));
  void (async () => {
    for await (const _ of input);
    watched.close();
  })();
  try {
    for await (const event of watched) {
      const seen = withoutDrafts(event);
      if (seen === undefined || (filter && !filter.includes(seen.event_type))) continue;
      await print(`${JSON.stringify(seen)}\n`);
    }
  } finally {
    clearTimeout(timer);
  }
}

const EVENT_TYPES: Readonly<Record<FileEvent["kind"], string>> = {
  create: "Create",
  modify: "Modify",
  remove: "Remove",
  access: "Access",
  rename: "Rename",
  "rename-from": "RenameFrom",
  "rename-to": "RenameTo",
  unknown: "Unknown",
};

const DRAFT = /\/\.lydian-[0-9a-f]+\.partial$/;

/** The file beside the target that the agent writes first. */
export const isDraft = (path: string): boolean => DRAFT.test(path);

/** What is seen of files that the agent writes is that they are there. */
function withoutDrafts({ kind, paths }: FileEvent): { readonly event_type: string; readonly paths: readonly string[] } | undefined {
  const [from = "", to] = paths.map(String);
  if (!isDraft(from)) return { event_type: EVENT_TYPES[kind], paths: paths.map(String) };
  return kind === "rename" && to !== undefined ? { event_type: EVENT_TYPES.create, paths: [to] } : undefined;
}

/** A file as the output of the tool: read when it is asked for, from where it is asked for, so that no copy is kept. */
function fileOutput(files: AgentFiles, target: string, exited: Promise<Exit>, use: () => Disposable): OutputSource {
  return {
    ended: true,
    async *from(offset, ...signals) {
      // One that cannot be read is told of on stderr.
      if ((await exited).code !== 0) return;
      using _use = use();
      using content = await files.read(target, { offset, largestBytes: MAX_READ_BYTES, signal: AbortSignal.any([...signals]) });
      let at = offset;
      for await (const data of content.data) {
        yield { offset: at, data };
        at += data.length;
      }
    },
    remove: async () => {},
  };
}

function entryOf(entry: FileEntry, at: string) {
  const { name, type, size, mode, owner, group, modifiedTime, linkTarget } = entry;
  return {
    name: name.toString(),
    path: at,
    // Clients know three types.
    type: type === "other" ? "file" : type,
    size,
    mode,
    permissions: (mode & 0o7777).toString(8).padStart(4, "0"),
    owner,
    group,
    modified_time: modifiedTime,
    symlink_target: linkTarget?.toString() ?? null,
  };
}

function errorOf(command: FileCommandName, error: unknown) {
  // Clients add the path.
  if (error instanceof AgentError)
    return {
      error_kind: kindOf(command, error.code),
      message: error.message.slice(error.message.lastIndexOf(": ") + 2).replace(/\.$/, ""),
    };
  return { error_kind: "IoError", message: error instanceof Error ? error.message : String(error) };
}

const join = (directory: string, name: string): string => (directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`);

function parse(argument = ""): FileCommand {
  try {
    return commandSchema.parse(JSON.parse(argument));
  } catch (cause) {
    throw new LydianError("invalid_argument", `${FILE_TOOL} cannot do ${JSON.stringify(argument.slice(0, 200))}.`, { cause });
  }
}
