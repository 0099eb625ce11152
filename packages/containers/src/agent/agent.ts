// What the server can do inside a container through its agent.

import type { Duplex } from "node:stream";
import type { Exit, OutputChunk } from "../host.ts";
import type { AgentFiles } from "./agent-files.ts";

export interface ExecSpec {
  /** The program, looked for in the PATH of `env` when it has no slash, and its arguments. */
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; must exist. */
  readonly workdir: string;
  /** A terminal of this size instead of pipes; all output is then stdout. Its TERM is the caller's business (`env`). */
  readonly pty?: { readonly rows: number; readonly columns: number };
  /** Who it runs as. Default: the agent's user, which is root. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** "stdout": what it prints as errors goes there too, in order. */
  readonly stderr?: "stdout";
  /**
   * It lives on when this server vanishes, and can be found by this text of at most 4,096 bytes (`Agent.kept`). Who has it must confirm its
   * output with `taken` (256 KiB wait at most, then it waits), and call `close` at the end.
   */
  readonly keep?: string;
}

/** A process that lives on without its stream. */
export interface KeptProcess {
  readonly key: Buffer;
  /** `ExecSpec.keep`. */
  readonly note: string;
}

/** Bytes that are in safety; "none": it is not wanted. */
export interface Taken {
  readonly stdout: number | "none";
  readonly stderr: number | "none";
}

/** What there was to know of a process when it was attached to. */
export interface ProcessState {
  /** Bytes of input that have come, whether it has read them or not. */
  readonly inputReceived: number;
  /** Its input has been ended, or is read no more. */
  readonly inputOver: boolean;
  readonly ended: boolean;
}

/**
 * A process that the agent has started. It leads a session and process group of its own. Whoever has it must read `output` or
 * call `close`: unread output stops the process.
 */
export interface AgentProcess extends Disposable {
  /** Inside the container. */
  readonly pid: number;
  /**
   * What it prints, in order per stream. One reader, whose pace is the process's. Ends when the process has ended and its pipes are
   * empty; a child in the background that keeps them open is not waited for longer than 100 ms (it lives on, and what it prints
   * afterwards is dropped).
   */
  readonly output: AsyncIterable<OutputChunk>;
  /**
   * How it ended. Never rejects; SIGKILL also when the agent or the container ended first. Resolves when all its output has arrived,
   * whether it was read or not.
   */
  readonly exited: Promise<Exit>;
  /** Bytes of input that the process's pipe has taken. */
  readonly inputTaken: number;
  /** Resolves when the process's pipe or terminal has taken all of it; rejects (EPIPE) when the process has closed its stdin or ended. */
  write(data: Uint8Array): Promise<void>;
  /** Closes stdin behind what was written; in a terminal it types the end-of-file character. No error when it is closed already. */
  endInput(): Promise<void>;
  /** Changes the size of the terminal. Nothing happens without one. */
  resize(rows: number, columns: number): void;
  /** Sends a signal to its whole process group. Nothing happens when it has ended. */
  signal(name: NodeJS.Signals): void;
  /** Confirms output of one that is kept: bytes from the beginning. */
  taken(taken: Taken): void;
  /** Kills its process group if it still runs, and drops its output. Idempotent. */
  close(): void;
}

export interface RequestOptions {
  /** Gives up. What was started is killed, what was half done is undone where it says so. */
  readonly signal?: AbortSignal | undefined;
}

/** The agent of one container. */
export interface Agent {
  /** Starts a process. Rejects with `AgentError` when it cannot be started: `step` says whether at "chdir" or "exec". */
  exec(spec: ExecSpec, options?: RequestOptions): Promise<AgentProcess>;
  /** Those that were started with `keep` and not closed, also by an earlier server. */
  kept(): Promise<readonly KeptProcess[]>;
  /** Goes on with one of them: its output begins behind what is `taken`. ESRCH when there is none. `isTerminal`: it was started with a `pty`. */
  attach(key: Buffer, taken: Taken, isTerminal: boolean): Promise<{ readonly process: AgentProcess; readonly state: ProcessState }>;
  /**
   * From now on the agent goes on when this server vanishes, and so does its container. After so many seconds it ends with all that it has
   * started, whatever server there is; a later call counts instead.
   */
  live(seconds: number): void;
  /**
   * Connects to a port of 127.0.0.1, else of ::1, inside. Each direction has an end of its own. The stream is paused, so that nothing is
   * lost before it is read. ECONNREFUSED where nobody listens.
   */
  connect(port: number, options?: RequestOptions): Promise<Duplex>;
  readonly files: AgentFiles;
  /** Resolves when the control connection has ended, by whatever cause. All processes and streams have ended then. */
  readonly gone: Promise<void>;
}
