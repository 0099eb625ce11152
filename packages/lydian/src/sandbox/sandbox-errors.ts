// What fails around sandboxes, beside the errors of everything else.
import { type ErrorCode, LydianError, type LydianErrorOptions, registerError } from "@lydian/protocol/core";
import { TimeoutError } from "../errors.ts";

/** The sandbox ran longer than its `timeout`, was unused for its `idleTimeout`, or did not become ready in time. */
export class SandboxTimeoutError extends TimeoutError {}

/** The sandbox was terminated. */
export class SandboxTerminatedError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions) {
    super("cancelled", message, options);
  }
}

/** What a process had printed and how it ended. */
export interface FailedOutput {
  readonly exitCode: number;
  /** Empty where the output was not collected, as by `wait()`. */
  readonly stdout: string | Uint8Array;
  readonly stderr: string | Uint8Array;
}

/** A process ran longer than the `timeout` of its `exec` and was killed. */
export class ExecTimeoutError extends TimeoutError {
  /** Undefined when even its end could not be learnt. */
  readonly output: FailedOutput | undefined;

  constructor(message: string, options: LydianErrorOptions & { readonly output?: FailedOutput } = {}) {
    super(message, options);
    this.output = options.output;
  }
}

/** A process ended with another code than 0, and `check` was given. */
export class CommandFailedError extends LydianError {
  readonly exitCode: number;
  readonly stdout: string | Uint8Array;
  readonly stderr: string | Uint8Array;

  constructor(message: string, { exitCode, stdout, stderr }: FailedOutput, options?: LydianErrorOptions) {
    super("failed_precondition", message, options);
    this.exitCode = exitCode;
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

/** An operation on files of a sandbox failed; subclasses say how. */
export class SandboxFilesystemError extends LydianError {
  constructor(message: string, options?: LydianErrorOptions, code: ErrorCode = "failed_precondition") {
    super(code, message, options);
  }
}

const withCode = (code: ErrorCode) =>
  class extends SandboxFilesystemError {
    constructor(message: string, options?: LydianErrorOptions) {
      super(message, options, code);
    }
  };

/** There is no such file or directory. */
export class SandboxFilesystemNotFoundError extends withCode("not_found") {}
/** Something is there already. */
export class SandboxFilesystemPathAlreadyExistsError extends withCode("already_exists") {}
/** A directory was meant, and something else is there. */
export class SandboxFilesystemNotADirectoryError extends withCode("failed_precondition") {}
/** A file was meant, and a directory is there. */
export class SandboxFilesystemIsADirectoryError extends withCode("failed_precondition") {}
/** The directory has entries, and `recursive` was not given. */
export class SandboxFilesystemDirectoryNotEmptyError extends withCode("failed_precondition") {}
/** The files' permissions, or a mount that is read-only, do not allow it. */
export class SandboxFilesystemPermissionError extends withCode("permission_denied") {}
/** The file has more bytes than can be read at once. */
export class SandboxFilesystemFileTooLargeError extends withCode("resource_exhausted") {}

const CLASSES = {
  SandboxTimeoutError,
  SandboxTerminatedError,
  ExecTimeoutError,
  CommandFailedError,
  SandboxFilesystemError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
  SandboxFilesystemNotADirectoryError,
  SandboxFilesystemIsADirectoryError,
  SandboxFilesystemDirectoryNotEmptyError,
  SandboxFilesystemPermissionError,
  SandboxFilesystemFileTooLargeError,
};
for (const [name, errorClass] of Object.entries(CLASSES)) {
  Object.defineProperty(errorClass.prototype, "name", { value: name, writable: true, configurable: true });
  registerError(errorClass as never, name);
}
