// Operations on files are runs of a small program that the server puts into every container: one JSON argument, data on stdin and stdout,
// and one JSON object on stderr for what fails.
import type { LydianErrorOptions } from "@lydian/protocol/core";
import { InvalidError, type LydianError } from "../../errors.ts";
import { ContainerProcess, type ExecPlace } from "../process.ts";
import {
  SandboxFilesystemDirectoryNotEmptyError,
  SandboxFilesystemError,
  SandboxFilesystemFileTooLargeError,
  SandboxFilesystemIsADirectoryError,
  SandboxFilesystemNotADirectoryError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
  SandboxFilesystemPermissionError,
} from "../sandbox-errors.ts";

const PROGRAM = "/__modal/.bin/modal-sandbox-fs-tools";

const ACTIONS: Readonly<Record<FileCommand["name"], string>> = {
  ReadFile: "read",
  WriteFile: "written",
  ListFiles: "listed",
  Stat: "looked at",
  MakeDirectory: "made",
  Remove: "removed",
  Watch: "watched",
};

/** What to do about an error, where that is not the same for all. */
const HINTS: Readonly<Record<string, string>> = {
  DirectoryNotEmpty: "`remove(path, { recursive: true })` removes it with all that is in it.",
  FileTooLarge: "`readStream` reads a file in chunks.",
};

type ErrorClass = new (message: string, options?: LydianErrorOptions) => SandboxFilesystemError;

const ERRORS: Readonly<Record<string, ErrorClass>> = {
  NotFound: SandboxFilesystemNotFoundError,
  IsDirectory: SandboxFilesystemIsADirectoryError,
  IsFile: SandboxFilesystemNotADirectoryError,
  NotDirectory: SandboxFilesystemNotADirectoryError,
  PathAlreadyExists: SandboxFilesystemPathAlreadyExistsError,
  // Of writing: something that is no directory stands where a parent should be.
  AlreadyExists: SandboxFilesystemNotADirectoryError,
  DirectoryNotEmpty: SandboxFilesystemDirectoryNotEmptyError,
  PermissionDenied: SandboxFilesystemPermissionError,
  FileTooLarge: SandboxFilesystemFileTooLargeError,
};

/** One operation; `path` is also for messages. */
export interface FileCommand {
  readonly name: "ReadFile" | "WriteFile" | "ListFiles" | "Stat" | "MakeDirectory" | "Remove" | "Watch";
  readonly path: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal | undefined;
}

/** Throws InvalidError for a path that is none. */
export function startTool(place: ExecPlace, { name, path, arguments: others = {}, signal }: FileCommand): ContainerProcess<Uint8Array> {
  if (typeof path !== "string" || !path.startsWith("/") || path.includes("\0"))
    throw new InvalidError(`The path is ${JSON.stringify(path)}; it must be an absolute path in the container.`);
  const argv = [PROGRAM, JSON.stringify({ [name]: { path, ...others } })];
  return new ContainerProcess<Uint8Array>(place, argv, { encoding: "bytes", ...(signal ? { signal } : {}) });
}

/** Its output. Throws the error that the tool told. */
export async function runTool(place: ExecPlace, command: FileCommand): Promise<Uint8Array> {
  const { exitCode, stdout, stderr } = await startTool(place, command);
  if (exitCode !== 0) throw toolError(command, exitCode, new TextDecoder().decode(stderr));
  return stdout;
}

/** What has been read otherwise; waits for the end and throws the error that the tool told. */
export async function endTool(process: ContainerProcess<Uint8Array>, command: FileCommand): Promise<void> {
  const exitCode = await process.wait();
  if (exitCode !== 0) throw toolError(command, exitCode, await process.stderr.text());
}

function toolError({ name, path }: FileCommand, exitCode: number, stderr: string): LydianError {
  let told: { error_kind?: unknown; message?: unknown; detail?: unknown };
  try {
    told = JSON.parse(stderr) as typeof told;
  } catch {
    const said = stderr.trim().slice(0, 1_000);
    return new SandboxFilesystemError(`${path} could not be ${ACTIONS[name]}: exit code ${exitCode}${said === "" ? "" : `, ${said}`}`);
  }
  const kind = typeof told.error_kind === "string" ? told.error_kind : "";
  const errorClass = (Object.hasOwn(ERRORS, kind) && ERRORS[kind]) || SandboxFilesystemError;
  const detail = typeof told.detail === "string" && told.detail !== "" ? ` (${told.detail})` : "";
  const reason = `${String(told.message ?? (kind || "it failed"))}${detail}`;
  const hint = Object.hasOwn(HINTS, kind) ? HINTS[kind] : undefined;
  return new errorClass(`${path} could not be ${ACTIONS[name]}: ${reason}`, hint === undefined ? {} : { hint });
}
