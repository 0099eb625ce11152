// A process in a container: started at once, followed over as many connections as it takes.
import { randomUUID } from "node:crypto";
import {
  type MessageInitShape,
  type SecretSourceSchema,
  TaskExecStderrConfig as Stderr,
  TaskExecStdioFileDescriptor as Stdio,
  TaskExecStdoutConfig as Stdout,
} from "@lydian/protocol";
import type { Duration } from "../duration.ts";
import { InvalidError, LydianError, NotFoundError } from "../errors.ts";
import type { Secret, Variables } from "../secret.ts";
import { showValue } from "../show-value.ts";
import { InputStream } from "./input-stream.ts";
import { OutputStream } from "./output-stream.ts";
import { checkPty, type PtySize, ptyInfo } from "./pty.ts";
import { resumed } from "./resumed.ts";
import type { CommandRouter } from "./router.ts";
import { CommandFailedError, ExecTimeoutError, type FailedOutput } from "./sandbox-errors.ts";
import { refuseOthers, wholeSeconds } from "./sandbox-options.ts";

export type StdioMode = "pipe" | "inherit" | "ignore";

export interface ExecOptions {
  /** What becomes of its output: kept for the handle, that and printed here, or thrown away. Default "pipe". */
  readonly stdout?: StdioMode;
  readonly stderr?: StdioMode;
  /** Then it is killed and ExecTimeoutError is thrown. Whole seconds, rounded up. Default: no bound but that of the sandbox. */
  readonly timeout?: Duration;
  /** Absolute. Default: that of the sandbox. */
  readonly workdir?: string;
  /** On top of the sandbox's variables and of `secrets`. */
  readonly env?: Variables;
  readonly secrets?: readonly Secret[];
  /** A terminal instead of pipes; all output is then stdout. `true` is 80 columns by 24 rows. */
  readonly pty?: boolean | PtySize;
  /** True: CommandFailedError when it ends with another code than 0. Default false. */
  readonly check?: boolean;
  /** Aborting it kills the process, and ends what waits for it here with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called with each chunk as it comes. */
  readonly onStdout?: (chunk: string) => void;
  readonly onStderr?: (chunk: string) => void;
}

export interface ProcessResult<T extends string | Uint8Array = string> {
  /** 128 and the number of the signal for one that was killed. */
  readonly exitCode: number;
  readonly stdout: T;
  readonly stderr: T;
}

/** Where a process runs. */
export interface ExecPlace {
  readonly router: CommandRouter;
  /** Of a sidecar; empty: the container itself. */
  readonly containerId: string;
  /** For messages, e.g. "sandbox sb-1". */
  readonly what: string;
  readonly secretSources: (
    secrets: readonly Secret[] | undefined,
    env: Variables | undefined,
  ) => Promise<MessageInitShape<typeof SecretSourceSchema>[]>;
}

const OPTIONS = [
  ...(["stdout", "stderr", "timeout", "workdir", "env", "secrets", "pty", "check", "signal", "onStdout", "onStderr"] as const),
  ...(["encoding"] as const),
] satisfies (keyof ExecOptions | "encoding")[];
const WAIT_MS = 60_000;
/** After its timeout a process is killed by the server; longer than this nobody waits for the news. */
const GRACE_MS = 30_000;
/** What the server takes. */
const MAX_ARGUMENT_CHARACTERS = 65_536;
const SIGKILL = 9;

/**
 * A process that `exec` started. Awaiting it gives its whole output and exit code; its streams can be used meanwhile.
 *
 * @example
 * const { exitCode, stdout } = await sandbox.exec(["python3", "-c", "print(6 * 7)"]);
 */
export class ContainerProcess<T extends string | Uint8Array = string> implements PromiseLike<ProcessResult<T>> {
  readonly id: string = randomUUID();
  /** Of a process with `pty`: all output. */
  readonly stdout: OutputStream<T>;
  readonly stderr: OutputStream<T>;
  readonly stdin: InputStream;
  readonly #place: ExecPlace;
  readonly #options: ExecOptions;
  readonly #encoding: "text" | "bytes";
  readonly #timeoutMs: number | undefined;
  readonly #started: Promise<void>;
  readonly #printed: Promise<unknown>;
  readonly #startedAt = performance.now();
  readonly #onAbort = () => void this.#signal("SIGKILL", {}).catch(() => undefined);
  #exit: Promise<Exit> | undefined;
  #result: Promise<ProcessResult<T>> | undefined;

  constructor(place: ExecPlace, command: string | readonly string[], options: ExecOptions & { readonly encoding?: "text" | "bytes" } = {}) {
    const argv = checkCommand(command);
    checkOptions(options);
    const { encoding = "text", timeout, workdir, pty } = options;
    const terminal = checkPty(pty);
    const seconds = timeout === undefined ? undefined : wholeSeconds(timeout, "timeout");
    this.#place = place;
    this.#options = options;
    this.#encoding = encoding;
    this.#timeoutMs = seconds === undefined ? undefined : seconds * 1000;
    this.#started = this.#start(argv, {
      stdoutConfig: options.stdout === "ignore" ? Stdout.DEVNULL : Stdout.PIPE,
      stderrConfig: options.stderr === "ignore" ? Stderr.DEVNULL : Stderr.PIPE,
      timeoutSecs: seconds,
      workdir,
      ptyInfo: terminal && ptyInfo(terminal),
    });
    this.stdout = new OutputStream<T>(() => this.#output(Stdio.STDOUT), encoding);
    this.stderr = new OutputStream<T>(() => this.#output(Stdio.STDERR), encoding);
    this.stdin = new InputStream(async (piece) => {
      await this.#started;
      await place.router.call(
        (router, taskId, call) => router.taskExecStdinWrite({ taskId, execId: this.id, ...piece }, call),
        this.#callOptions(),
      );
    });
    this.#printed = Promise.all([
      this.#pump("stdout", Stdio.STDOUT, options.onStdout),
      this.#pump("stderr", Stdio.STDERR, options.onStderr),
    ]);
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    // Told to whoever waits for it; a process that nobody waits for must not end the program.
    this.#started.catch(() => undefined);
    this.#printed.catch(() => undefined);
  }

  /** Resolves when it runs; rejects when it cannot be started. */
  async started(): Promise<void> {
    await this.#started;
  }

  /** Its exit code, when it has ended. Throws ExecTimeoutError when its `timeout` ended it. */
  async wait(): Promise<number> {
    const exit = await this.#ended();
    const nothing = { exitCode: exit.code, stdout: "", stderr: "" };
    if (exit.isTimeout) throw this.#timedOut(nothing);
    if (this.#options.check && exit.code !== 0) throw this.#failed(nothing);
    return exit.code;
  }

  /** Its exit code, or undefined while it runs. */
  async poll(): Promise<number | undefined> {
    await this.#started;
    const { exitStatus } = await this.#place.router.call(
      (router, taskId, call) => router.taskExecPoll({ taskId, execId: this.id }, call),
      this.#callOptions(),
    );
    return exitOf(exitStatus)?.code;
  }

  /** Sends a signal to it and what it has started. Nothing happens when it has ended. */
  async kill(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.#signal(signal, this.#callOptions());
  }

  /** Another size of its terminal. Nothing happens without one. */
  async resize(size: PtySize): Promise<void> {
    const { rows, columns } = checkPty(size) ?? size;
    await this.#started;
    await this.#place.router.call(
      (router, taskId, call) => router.processes.resize({ taskId, execId: this.id, rows, columns }, call),
      this.#callOptions(),
    );
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting a process gives its result.
  then<A = ProcessResult<T>, B = never>(
    onResult?: ((result: ProcessResult<T>) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#result ??= this.#collect();
    return this.#result.then(onResult, onError);
  }

  async #start(argv: string[], config: object): Promise<void> {
    const { router, containerId, secretSources } = this.#place;
    const { secrets, env } = this.#options;
    const sources = await secretSources(secrets, env);
    await router.call(
      (stub, taskId, call) =>
        stub.taskExecStart({ taskId, execId: this.id, commandArgs: argv, containerId, secretSources: sources, ...config }, call),
      this.#callOptions(),
    );
  }

  async #signal(signal: NodeJS.Signals, options: { signal?: AbortSignal }): Promise<void> {
    // One whose start was given up may run nevertheless.
    await this.#started.catch((error: unknown) => {
      if (!this.#options.signal?.aborted) throw error;
    });
    await this.#place.router.call((router, taskId, call) => router.processes.signal({ taskId, execId: this.id, signal }, call), options);
  }

  async *#output(fileDescriptor: Stdio): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#started;
    const name = fileDescriptor === Stdio.STDOUT ? "stdout" : "stderr";
    if (this.#options[name] === "ignore") return;
    yield* resumed(
      (offset, signal) =>
        this.#place.router.stream(
          (router, taskId, call) => router.taskExecStdioRead({ taskId, execId: this.id, offset: BigInt(offset), fileDescriptor }, call),
          { signal },
        ),
      { what: `${name} of a process in ${this.#place.what}`, signal: this.#options.signal },
    );
  }

  async #pump(name: "stdout" | "stderr", fileDescriptor: Stdio, onChunk: ((chunk: string) => void) | undefined): Promise<void> {
    const isInherited = this.#options[name] === "inherit";
    if (!isInherited && onChunk === undefined) return;
    const decoder = new TextDecoder();
    for await (const chunk of this.#output(fileDescriptor)) {
      if (isInherited) process[name].write(chunk);
      onChunk?.(decoder.decode(chunk, { stream: true }));
    }
  }

  async #collect(): Promise<ProcessResult<T>> {
    const read = (stream: OutputStream<T>) => (this.#encoding === "bytes" ? stream.bytes() : stream.text()) as Promise<T>;
    const [exit, stdout, stderr] = await Promise.all([this.#ended(), read(this.stdout), read(this.stderr)]);
    const result = { exitCode: exit.code, stdout, stderr };
    if (exit.isTimeout) throw this.#timedOut(result);
    if (this.#options.check && exit.code !== 0) throw this.#failed(result);
    return result;
  }

  #ended(): Promise<Exit> {
    this.#exit ??= this.#wait();
    return this.#exit;
  }

  async #wait(): Promise<Exit> {
    await this.#started;
    const { router } = this.#place;
    const startedAt = performance.now();
    for (;;) {
      const left = this.#timeoutMs === undefined ? Number.POSITIVE_INFINITY : startedAt + this.#timeoutMs + GRACE_MS - performance.now();
      if (left <= 0) throw this.#timedOut(undefined);
      try {
        const { exitStatus } = await router.call((stub, taskId, call) => stub.taskExecWait({ taskId, execId: this.id }, call), {
          ...this.#callOptions(),
          timeoutMs: Math.min(WAIT_MS, left),
        });
        const exit = exitOf(exitStatus);
        if (!exit) throw new LydianError("internal", `The server did not say how a process in ${this.#place.what} ended.`);
        this.#options.signal?.removeEventListener("abort", this.#onAbort);
        await this.#printed;
        const isKilled = exit.code === 128 + SIGKILL;
        const isLate = this.#timeoutMs !== undefined && performance.now() - this.#startedAt >= this.#timeoutMs;
        return { code: exit.code, isTimeout: isKilled && isLate };
      } catch (error) {
        if (LydianError.is(error) && error.code === "deadline_exceeded") continue;
        if (LydianError.is(error) && error.code === "not_found")
          throw new NotFoundError(`A process in ${this.#place.what} is gone, and how it ended is not known: ${error.message}`, {
            cause: error,
          });
        throw error;
      }
    }
  }

  #timedOut(output: FailedOutput | undefined): ExecTimeoutError {
    const ending = output ? "and was killed" : `and what became of it could not be learnt in ${GRACE_MS / 1000} s more`;
    return new ExecTimeoutError(
      `A process in ${this.#place.what} ran longer than its timeout of ${(this.#timeoutMs ?? 0) / 1000} s, ${ending}.`,
      output ? { output } : {},
    );
  }

  #failed(output: FailedOutput): CommandFailedError {
    const last = typeof output.stderr === "string" ? output.stderr.trimEnd().split("\n").slice(-5).join("\n") : "";
    return new CommandFailedError(
      `A process in ${this.#place.what} ended with exit code ${output.exitCode}${last === "" ? "." : `:\n${last}`}`,
      output,
    );
  }

  #callOptions(): { signal?: AbortSignal } {
    return this.#options.signal ? { signal: this.#options.signal } : {};
  }
}

interface Exit {
  readonly code: number;
  readonly isTimeout: boolean;
}

type ExitStatus = { case: "code" | "signal"; value: number } | { case: undefined; value?: undefined };

function exitOf(status: ExitStatus): { readonly code: number } | undefined {
  if (status.case === undefined) return undefined;
  return { code: status.case === "signal" ? 128 + status.value : status.value };
}

/** A string is a line for the shell of the container. */
function checkCommand(command: unknown): string[] {
  const argv = typeof command === "string" ? ["/bin/sh", "-c", command] : command;
  if (!Array.isArray(argv) || argv.length === 0 || argv[0] === "" || argv.some((word) => typeof word !== "string" || word.includes("\0")))
    throw new InvalidError(
      `The command is ${showValue(command)}; it must be a line for the shell, or a list of strings without NUL, of which the first is the program.`,
    );
  const size = argv.reduce((sum: number, word: string) => sum + word.length, 0);
  if (size > MAX_ARGUMENT_CHARACTERS)
    throw new InvalidError(`The command has ${size} characters; at most ${MAX_ARGUMENT_CHARACTERS} are taken.`, {
      hint: "Give long text by `stdin`, or write it to a file with `filesystem.writeText`.",
    });
  return [...argv];
}

/** Throws InvalidError that names the option, the value and the rule. Times and terminals are checked where they are used. */
function checkOptions(options: ExecOptions & { readonly encoding?: unknown }): void {
  if (typeof options === "string")
    throw new InvalidError(`The options of exec are ${showValue(options)}; they must be an object.`, {
      hint: 'Arguments belong to the program: exec(["ls", "-l"]), or exec("ls -l") for a line of the shell.',
    });
  refuseOthers(options, "exec", OPTIONS);
  const { stdout, stderr, workdir, encoding, signal, onStdout, onStderr, check } = options;
  const refuse = (name: string, value: unknown, rule: string): never => {
    throw new InvalidError(`\`${name}\` is ${showValue(value)}; it must be ${rule}.`);
  };
  for (const [name, mode] of Object.entries({ stdout, stderr }))
    if (mode !== undefined && !["pipe", "inherit", "ignore"].includes(mode)) refuse(name, mode, '"pipe", "inherit" or "ignore"');
  if (workdir !== undefined && !(typeof workdir === "string" && workdir.startsWith("/")))
    refuse("workdir", workdir, "an absolute path in the container");
  if (encoding !== undefined && encoding !== "text" && encoding !== "bytes") refuse("encoding", encoding, '"text" or "bytes"');
  if (signal !== undefined && typeof signal?.addEventListener !== "function") refuse("signal", signal, "an AbortSignal");
  for (const [name, listener] of Object.entries({ onStdout, onStderr }))
    if (listener !== undefined && typeof listener !== "function") refuse(name, listener, "a function");
  if (check !== undefined && typeof check !== "boolean") refuse("check", check, "true or false");
}
