// One process in a container, from its start to the last reader of its output.
import type { Exit, OutputChunk, Taken } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Deadline, Deadlines } from "../calls/deadlines.ts";
import { Wakeup } from "../calls/wakeup.ts";
import { removeEnd, writeEnd } from "./kept-process.ts";
import { Readers } from "./readers.ts";
import { Spool, type SpooledChunk } from "./spool.ts";
import { Stdin } from "./stdin.ts";

/** What was printed on one stream, for readers that come with an offset. */
export interface OutputSource {
  /** Nothing more comes. */
  readonly ended: boolean;
  from(offset: number, ...signals: readonly AbortSignal[]): AsyncIterable<SpooledChunk>;
  remove(): Promise<void>;
}

/** What runs: a process of the agent's, or a tool of the server's that behaves like one. */
export interface Program {
  /** One reader. */
  readonly output: AsyncIterable<OutputChunk>;
  /** Instead of keeping what comes out. */
  readonly stdout?: OutputSource;
  readonly exited: Promise<Exit>;
  write(data: Uint8Array): Promise<void>;
  endInput(): Promise<void>;
  /** The process and all of its group. */
  kill(): void;
  /** It outlives the server. */
  readonly kept?: KeptOutput;
}

export interface KeptOutput {
  /** Its output up to there is in files. */
  taken(taken: Taken): void;
  /** Its end too: nothing of it has to be remembered any more. */
  release(): void;
}

/** What an earlier server has left of it. */
export interface ExecBefore {
  readonly stdout: Spool;
  readonly stderr: Spool;
  readonly input: { readonly written: number; readonly closed: boolean };
  readonly timedOut: boolean;
}

export interface ExecOptions {
  /** Unique in its task. */
  readonly id: string;
  /** Exists; holds what does not fit into memory. */
  readonly dir: string;
  readonly keepsStdout: boolean;
  /** "stdout": both in one stream, in order. */
  readonly stderr: "drop" | "keep" | "stdout";
  /** Killed then, in milliseconds since the epoch. 0: never. */
  readonly deadlineAt: number;
  readonly deadlines: Deadlines;
  /** Absent: it begins now. */
  readonly before?: ExecBefore;
  /** Told of what it prints, before a reader is. */
  readonly onOutput?: (chunk: OutputChunk) => void;
}

/** Who waits looks again after this; it is woken before. */
const WAIT_MS = 3_600_000;
/** Of output that is in no file: more is written there and confirmed. Less than what a kept process may be ahead. */
const UNWRITTEN_BYTES = 128 << 10;

export class Exec {
  readonly id: string;
  readonly stdout: OutputSource;
  readonly stderr: OutputSource;
  readonly stdin: Stdin;
  readonly readers = new Readers();
  /** Resolves when it has ended and all that it printed is in the spools. Never rejects. */
  readonly done: Promise<Exit>;
  readonly #program: Program;
  readonly #out: Spool;
  readonly #err: Spool;
  readonly #changed = new Wakeup();
  readonly #dir: string;
  #exit: Exit | undefined;
  #timedOut: boolean;
  /** Its end has been written down, or could not be. */
  #settled: Promise<void> = Promise.resolve();

  constructor(program: Program, options: ExecOptions) {
    const { id, dir, deadlineAt, deadlines, before } = options;
    this.id = id;
    this.#dir = dir;
    this.#program = program;
    this.#out = before?.stdout ?? new Spool({ dir, name: `${id}.out` });
    this.#err = before?.stderr ?? new Spool({ dir, name: `${id}.err` });
    this.#timedOut = before?.timedOut ?? false;
    this.stdout = program.stdout ?? this.#out;
    this.stderr = this.#err;
    this.stdin = new Stdin({ write: (data) => program.write(data), end: () => program.endInput() }, before?.input);
    let deadline: Deadline | undefined;
    if (deadlineAt > 0) {
      deadline = deadlines.add(deadlineAt, () => {
        this.#timedOut = true;
        program.kill();
      });
    }
    this.done = this.#run(options).finally(() => deadlines.cancel(deadline));
  }

  /** How it ended; undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** It was killed because its time was up. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  /** Something that is kept for readers. */
  get hasPrinted(): boolean {
    return this.#out.length > 0 || this.#err.length > 0;
  }

  kill(): void {
    if (this.#exit === undefined) this.#program.kill();
  }

  /** How it ended; undefined when that has not happened by the time a signal aborts. */
  async wait(...signals: readonly AbortSignal[]): Promise<Exit | undefined> {
    while (this.#exit === undefined && !signals.some((signal) => signal.aborted)) await this.#changed.wait(WAIT_MS, ...signals);
    return this.#exit;
  }

  /** Kills it, and drops what it printed. */
  async remove(): Promise<void> {
    this.kill();
    await Promise.all([this.stdout.remove(), this.stderr.remove()]);
    await this.done;
    await this.#settled;
    if (this.#program.kept !== undefined) await removeEnd(this.#dir, this.id);
  }

  async #run({ keepsStdout, stderr, onOutput }: ExecOptions): Promise<Exit> {
    const { kept } = this.#program;
    let unwritten = 0;
    try {
      for await (const chunk of this.#program.output) {
        onOutput?.(chunk);
        const spool = chunk.stream === "stdout" || stderr === "stdout" ? this.#out : this.#err;
        const isKept = chunk.stream === "stdout" ? keepsStdout : stderr !== "drop";
        if (isKept) await spool.append(chunk.data);
        unwritten += chunk.data.length;
        if (kept === undefined || unwritten < UNWRITTEN_BYTES) continue;
        unwritten = 0;
        await Promise.all([this.#out.flush(), this.#err.flush()]);
        kept.taken({ stdout: keepsStdout ? this.#out.length : "none", stderr: stderr === "keep" ? this.#err.length : "none" });
      }
    } catch (cause) {
      const error = new LydianError("internal", "What the process printed could not be kept.", { cause });
      this.#out.fail(error);
      this.#err.fail(error);
      this.#program.kill();
    }
    const exit = await this.#program.exited;
    this.#out.end();
    this.#err.end();
    this.#exit = exit;
    if (kept !== undefined) this.#settled = this.#settle(exit, kept);
    this.#changed.wake();
    return exit;
  }

  /** Nobody waits for this. What cannot be written is known until the server ends. */
  async #settle(exit: Exit, kept: KeptOutput): Promise<void> {
    try {
      await Promise.all([this.#out.flush(), this.#err.flush()]);
      await writeEnd(this.#dir, this.id, { exit, timedOut: this.#timedOut, inputWritten: this.stdin.written });
    } catch {
      // The disk is full, or its directory is gone with its container.
    } finally {
      kept.release();
    }
  }
}
