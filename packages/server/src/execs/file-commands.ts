// Files in containers for clients before 1.6: open files by the names that they were given here, and commands whose output is asked for by id.
import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import type { AgentFiles, FileEvent, OpenFile, OpenMode } from "@lydian/containers";
import { type ContainerFilesystemExecRequest, LydianError, SeekWhence } from "@lydian/protocol";
import type { Deadline, Deadlines } from "../calls/deadlines.ts";
import type { ExecHome } from "./exec-home.ts";
import { isDraft } from "./file-tool.ts";
import { Outbox, type Outcome } from "./outbox.ts";

export interface FileCommandsOptions {
  readonly deadlines: Deadlines;
  readonly now: () => number;
}

export interface StartedCommand {
  readonly execId: string;
  /** Of an open. */
  readonly fileDescriptor?: string;
}

type Request = ContainerFilesystemExecRequest["fileExecRequestOneof"];

/** Of one container at once. */
const MAX_OPEN = 250;
const MAX_COMMANDS = 500;
/** A file that nobody uses is closed after this; its client has gone without closing it. */
const FORGOTTEN_MS = 3_600_000;
/** A command whose output nobody asks for is given up after this. */
const UNREAD_MS = 120_000;

interface Owner {
  readonly workspaceId: string;
  readonly taskId: string;
  deadline: Deadline | undefined;
}
interface Opened extends Owner {
  readonly file: Promise<OpenFile>;
}
interface Command extends Owner {
  readonly outbox: Outbox;
  readonly abort: AbortController;
  readonly started: StartedCommand;
  readonly key: string;
}

export class FileCommands {
  readonly #options: FileCommandsOptions;
  readonly #opened = new Map<string, Opened>();
  readonly #commands = new Map<string, Command>();
  /** By the key of a request that may be sent again. */
  readonly #byKey = new Map<string, Command>();

  constructor(options: FileCommandsOptions) {
    this.#options = options;
  }

  /** A request that comes again (by its key, unless that is empty) starts nothing. */
  async start(home: ExecHome, request: Request, idempotencyKey: string): Promise<StartedCommand> {
    const { workspaceId, taskId } = home;
    const key = idempotencyKey === "" ? "" : `${workspaceId} ${idempotencyKey}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.started;
    this.#checkRoom(this.#commands, taskId, MAX_COMMANDS, "commands for files that nobody has asked the output of");
    const { files } = await home.agent();
    const abort = new AbortController();
    const outbox = new Outbox();
    const { run, fileDescriptor } = this.#plan(home, files, request, { outbox, signal: abort.signal });
    const started = { execId: `fx-${randomBytes(16).toString("hex")}`, ...(fileDescriptor !== undefined && { fileDescriptor }) };
    const command: Command = { workspaceId, taskId, outbox, abort, started, key, deadline: undefined };
    this.#commands.set(started.execId, command);
    if (key !== "") this.#byKey.set(key, command);
    this.#giveUpLater(command);
    const use = home.use();
    run()
      .then(
        () => outbox.end("done"),
        (error: unknown) => outbox.end({ error }),
      )
      .finally(() => use[Symbol.dispose]());
    return started;
  }

  /** Pieces as they come and the outcome at the end, for at most `holdMs`: more may come then. Throws `not_found`. */
  async *output(
    execId: string,
    workspaceId: string,
    holdMs: number,
    ...signals: readonly AbortSignal[]
  ): AsyncGenerator<Uint8Array | Outcome> {
    const command = this.#commands.get(execId);
    if (command?.workspaceId !== workspaceId)
      throw new LydianError("not_found", `There is no command for files ${JSON.stringify(execId.slice(0, 100))}, or it was given up.`);
    const { deadlines, now } = this.#options;
    deadlines.cancel(command.deadline);
    const until = now() + holdMs;
    try {
      for (;;) {
        const next = await command.outbox.next(until - now(), ...signals);
        if (next === undefined) return;
        yield next;
        if (!(next instanceof Uint8Array)) return;
      }
    } finally {
      this.#giveUpLater(command);
    }
  }

  #plan(
    home: ExecHome,
    files: AgentFiles,
    request: Request,
    { outbox, signal }: { readonly outbox: Outbox; readonly signal: AbortSignal },
  ): { readonly run: () => Promise<void>; readonly fileDescriptor?: string } {
    const putAll = async (pieces: AsyncIterable<Uint8Array>) => {
      for await (const piece of pieces) await outbox.put(piece);
    };
    const at = (path: string) => posix.resolve(home.workdir, path);
    const opened = (descriptor: string) => this.#require(home, descriptor);
    switch (request.case) {
      case "fileOpenRequest": {
        const mode = modeOf(request.value.mode);
        const fileDescriptor = this.#open(home, files.open(at(request.value.path), mode));
        return { fileDescriptor, run: async () => void (await this.#require(home, fileDescriptor)) };
      }
      case "fileReadRequest": {
        const { fileDescriptor, n } = request.value;
        return { run: async () => putAll((await opened(fileDescriptor)).read(n)) };
      }
      case "fileReadLineRequest":
        return { run: async () => putAll((await opened(request.value.fileDescriptor)).readLine()) };
      case "fileWriteRequest":
        return { run: async () => (await opened(request.value.fileDescriptor)).write(request.value.data) };
      // Nothing is held back that could be flushed.
      case "fileFlushRequest":
        return { run: async () => void (await opened(request.value.fileDescriptor)) };
      case "fileSeekRequest": {
        const { fileDescriptor, offset, whence } = request.value;
        return { run: async () => (await opened(fileDescriptor)).seek(offset, WHENCE[whence] ?? "start") };
      }
      case "fileCloseRequest":
        return { run: async () => this.#close(home, request.value.fileDescriptor) };
      case "fileLsRequest":
        return {
          run: async () => {
            const entries = await files.list(at(request.value.path), { signal });
            await outbox.put(Buffer.from(JSON.stringify({ paths: entries.map(({ name }) => name.toString()) })));
          },
        };
      case "fileMkdirRequest":
        return { run: () => files.makeDirectory(at(request.value.path), { parents: request.value.makeParents, signal }) };
      case "fileRmRequest":
        return { run: () => files.remove(at(request.value.path), { recursive: request.value.recursive, signal }) };
      case "fileWatchRequest": {
        const { path, recursive, timeoutSecs } = request.value;
        const ended = timeoutSecs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(Number(timeoutSecs) * 1000)]);
        return { run: () => watch(files, at(path), recursive, ended, outbox) };
      }
      default:
        throw new LydianError("unimplemented", "Bytes in the middle of a file can be neither removed nor exchanged by others.", {
          hint: "Read the file, and write it anew.",
        });
    }
  }

  #open(home: ExecHome, file: Promise<OpenFile>): string {
    const { workspaceId, taskId } = home;
    file.catch(() => {});
    try {
      this.#checkRoom(this.#opened, taskId, MAX_OPEN, "open files");
    } catch (error) {
      file.then(({ close }) => close()).catch(() => {});
      throw error;
    }
    const descriptor = `fd-${randomBytes(16).toString("hex")}`;
    const opened: Opened = { workspaceId, taskId, file, deadline: undefined };
    this.#opened.set(descriptor, opened);
    this.#closeLater(descriptor, opened);
    file.catch(() => this.#drop(descriptor));
    return descriptor;
  }

  async #require({ workspaceId, taskId }: ExecHome, descriptor: string): Promise<OpenFile> {
    const opened = this.#opened.get(descriptor);
    if (opened?.workspaceId !== workspaceId || opened.taskId !== taskId)
      throw new LydianError("not_found", `No file ${JSON.stringify(descriptor.slice(0, 100))} is open in ${taskId}.`);
    this.#closeLater(descriptor, opened);
    return opened.file;
  }

  async #close(home: ExecHome, descriptor: string): Promise<void> {
    const file = await this.#require(home, descriptor);
    this.#drop(descriptor);
    file.close();
  }

  #closeLater(descriptor: string, opened: Opened): void {
    const { deadlines, now } = this.#options;
    deadlines.cancel(opened.deadline);
    opened.deadline = deadlines.add(now() + FORGOTTEN_MS, () => {
      this.#drop(descriptor);
      opened.file.then((file) => file.close()).catch(() => {});
    });
  }

  #drop(descriptor: string): void {
    this.#options.deadlines.cancel(this.#opened.get(descriptor)?.deadline);
    this.#opened.delete(descriptor);
  }

  #giveUpLater(command: Command): void {
    const { deadlines, now } = this.#options;
    deadlines.cancel(command.deadline);
    command.deadline = deadlines.add(now() + UNREAD_MS, () => {
      this.#commands.delete(command.started.execId);
      this.#byKey.delete(command.key);
      command.abort.abort();
      command.outbox.end({ error: new LydianError("aborted", "Nobody asked for the output of the command.") });
    });
  }

  #checkRoom(of: ReadonlyMap<string, Owner>, taskId: string, most: number, what: string): void {
    let count = 0;
    for (const owner of of.values()) if (owner.taskId === taskId) count += 1;
    if (count >= most) throw new LydianError("resource_exhausted", `${taskId} has ${count} ${what}, the most at once.`);
  }
}

const WHENCE: Partial<Record<SeekWhence, "start" | "current" | "end">> = {
  [SeekWhence.SEEK_CUR]: "current",
  [SeekWhence.SEEK_END]: "end",
};

function modeOf(text: string): OpenMode {
  const [kind, ...others] = [...text].filter((each) => each !== "b").sort((a, b) => (a === "+" ? 1 : b === "+" ? -1 : 0));
  const mode = `${kind}${others.join("")}`;
  if (/^[rwax]\+?$/.test(mode)) return mode as OpenMode;
  throw new LydianError(
    "invalid_argument",
    `${JSON.stringify(text.slice(0, 20))} is no mode of a file; it is one of r, w, a or x, perhaps with + and b.`,
  );
}

const EVENT_TYPES: Partial<Record<FileEvent["kind"], string>> = {
  create: "Create",
  remove: "Remove",
  access: "Access",
  unknown: "Unknown",
};

async function watch(files: AgentFiles, path: string, recursive: boolean, ended: AbortSignal, outbox: Outbox): Promise<void> {
  using watched = await files.watch(path, { recursive });
  const close = () => watched.close();
  ended.addEventListener("abort", close, { once: true });
  if (ended.aborted) close();
  try {
    for await (const { kind, paths } of watched) {
      const [first = "", second] = paths.map(String);
      const isNew = isDraft(first);
      if (isNew && second === undefined) continue;
      // These clients know no renames.
      const event = isNew
        ? { event_type: "Create", paths: [second] }
        : { event_type: EVENT_TYPES[kind] ?? "Modify", paths: paths.map(String) };
      await outbox.put(Buffer.from(`${JSON.stringify(event)}\n\n`));
    }
  } finally {
    ended.removeEventListener("abort", close);
  }
}
