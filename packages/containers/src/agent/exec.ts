// A process of the agent, over its own stream.

import { randomBytes } from "node:crypto";
import { constants } from "node:os";
import { readProcessExit } from "../exit.ts";
import type { Exit, OutputChunk } from "../host.ts";
import { OutputQueue } from "../launcher/output-queue.ts";
import type { AgentProcess, ExecSpec, KeptProcess, ProcessState, RequestOptions, Taken } from "./agent.ts";
import { AgentError, type AgentStep, agentGone, errnoError, stepOf } from "./agent-error.ts";
import { FileStream } from "./file-stream.ts";
import type { OpenedStream, OpenOptions, Streams } from "./streams.ts";
import {
  BodyReader,
  BodyWriter,
  CHUNK_BYTES,
  EXEC_FLAG,
  encodeFrame,
  FRAME,
  FrameReader,
  MAX_NOTE_BYTES,
  NOT_WANTED,
  STDIN_WINDOW,
  TOKEN_BYTES,
} from "./wire.ts";

/** How long a program may take to be loaded. */
const START_TIMEOUT_MS = 30_000;
/** What may still be in pipes and sockets when a process has ended: two pipes of the largest size, and some. */
const MAX_REST_BYTES = 4 << 20;
const MAX_KEPT = 10_000;

function flagsOf({ pty, user, keep, stderr }: ExecSpec): number {
  return (
    (pty === undefined ? 0 : EXEC_FLAG.pty) |
    (user === undefined ? 0 : EXEC_FLAG.user) |
    (keep === undefined ? 0 : EXEC_FLAG.keep) |
    (stderr === undefined ? 0 : EXEC_FLAG.merge)
  );
}

function encodeSpec(spec: ExecSpec): Buffer {
  const { pty, user, keep } = spec;
  const body = new BodyWriter()
    .u8(flagsOf(spec))
    .u16(pty?.rows ?? 0)
    .u16(pty?.columns ?? 0)
    .u32(user?.uid ?? 0)
    .u32(user?.gid ?? 0)
    .string(spec.workdir)
    .strings(spec.argv)
    .strings(Object.entries(spec.env).map(([name, value]) => `${name}=${value}`));
  return (keep === undefined ? body : body.string(keep)).finish();
}

function checkSpec(spec: ExecSpec): void {
  const refuse = (why: string) => {
    throw new AgentError("EINVAL", "request", `${why} (EINVAL).`);
  };
  if (spec.argv.length === 0 || spec.argv[0] === "") refuse("There is no program to run");
  if (!spec.workdir.startsWith("/")) refuse(`The working directory ${JSON.stringify(spec.workdir)} must be absolute`);
  for (const text of [spec.workdir, ...spec.argv, ...Object.entries(spec.env).flat()])
    if (text.includes("\0")) refuse("Arguments, environment and working directory must not contain NUL bytes");
  const note = spec.keep ?? "";
  if (note.includes("\0") || Buffer.byteLength(note) > MAX_NOTE_BYTES)
    refuse(`What is remembered with a process must have at most ${MAX_NOTE_BYTES} bytes, and no NUL`);
}

/** What could not be done, for the sentence of an error. */
function attempt(spec: ExecSpec, step: string): string {
  return step === "chdir" ? `The working directory ${spec.workdir} cannot be used` : `${spec.argv[0]} could not be started`;
}

export async function startProcess(streams: Streams, spec: ExecSpec, options: RequestOptions = {}): Promise<AgentProcess> {
  checkSpec(spec);
  const key = randomBytes(TOKEN_BYTES);
  const of = { name: spec.argv[0] ?? "", isTerminal: spec.pty !== undefined, isKept: spec.keep !== undefined };
  try {
    const started = await openExec(streams, "exec", encodeSpec(spec), { ...options, token: key, exitToken: key }, of, (step) =>
      attempt(spec, step),
    );
    await started.ready;
    return started;
  } catch (error) {
    // It may run although nobody has it.
    if (of.isKept) streams.control(FRAME.forget, key);
    throw error;
  }
}

export async function attachProcess(
  streams: Streams,
  key: Buffer,
  taken: Taken,
  isTerminal: boolean,
): Promise<{ readonly process: AgentProcess; readonly state: ProcessState }> {
  const offsets = [taken.stdout, taken.stderr].map((offset) => (offset === "none" ? NOT_WANTED : BigInt(offset)));
  const body = Buffer.concat([key, ...offsets.map((offset) => new BodyWriter().u64(offset).finish())]);
  const of = { name: "the process", isTerminal, isKept: true };
  const options = { exitToken: key };
  const attached = await openExec(streams, "attach", body, options, of, () => "The process cannot be attached to");
  await attached.ready;
  return { process: attached, state: attached.state };
}

export async function listKept(streams: Streams): Promise<readonly KeptProcess[]> {
  using stream = new FileStream(await streams.open("kept", Buffer.alloc(0)), "What runs in the container", undefined);
  const found: KeptProcess[] = [];
  for (;;) {
    const { type, payload } = await stream.next(FRAME.kept, FRAME.done);
    if (type === FRAME.done) return found;
    const note = new BodyReader(payload.subarray(TOKEN_BYTES)).bytes().toString();
    found.push({ key: Buffer.from(payload.subarray(0, TOKEN_BYTES)), note });
    if (found.length > MAX_KEPT) throw new Error(`The agent tells of more than ${MAX_KEPT} processes.`);
  }
}

async function openExec(
  streams: Streams,
  operation: "exec" | "attach",
  body: Buffer,
  options: OpenOptions & { readonly exitToken: Buffer },
  of: ExecNature,
  attemptOf: (step: AgentStep) => string,
): Promise<ExecStream> {
  let started: ExecStream | undefined;
  let early = false;
  const onExited = () => {
    early = true;
    started?.ended();
  };
  const stream = await streams.open(operation, body, { ...options, onExited });
  started = new ExecStream(streams, stream, options.exitToken, of, attemptOf);
  // The end may have been told before the beginning.
  if (early) started.ended();
  return started;
}

/** What matters of a process once it has been asked for. */
interface ExecNature {
  readonly name: string;
  readonly isTerminal: boolean;
  readonly isKept: boolean;
}

class ExecStream implements AgentProcess {
  pid = 0;
  inputTaken = 0;
  readonly output: OutputQueue;
  readonly exited: Promise<Exit>;
  /** Resolves when the program runs; rejects with the reason when it does not. */
  readonly ready: Promise<void>;
  /** As it was when this stream began. */
  state: ProcessState = { inputReceived: 0, inputOver: false, ended: false };
  readonly #of: ExecNature;
  readonly #streams: Streams;
  readonly #stream: OpenedStream;
  readonly #key: Buffer;
  readonly #attemptOf: (step: AgentStep) => string;
  #onReady: () => void = () => {};
  #onFailed: (error: Error) => void = () => {};
  #onExit: (exit: Exit) => void = () => {};
  #settled = false;
  #forgotten = false;
  #restBytes: number | undefined;
  #sent = 0;
  #inputOver: AgentError | undefined;
  /** Writes wait for one another, and for `#wake`. */
  #turn: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;

  constructor(streams: Streams, stream: OpenedStream, key: Buffer, of: ExecNature, attemptOf: (step: AgentStep) => string) {
    const { socket, rest } = stream;
    this.#of = of;
    this.#streams = streams;
    this.#stream = stream;
    this.#key = key;
    this.#attemptOf = attemptOf;
    this.output = new OutputQueue({ pause: () => socket.pause(), resume: () => socket.resume() });
    this.exited = new Promise((resolve) => {
      this.#onExit = resolve;
    });
    const timer = setTimeout(() => {
      this.#onFailed(new AgentError("ETIMEDOUT", "exec", `${of.name} could not be started within ${START_TIMEOUT_MS} ms (ETIMEDOUT).`));
      socket.destroy();
    }, START_TIMEOUT_MS).unref();
    this.ready = new Promise<void>((resolve, reject) => {
      this.#onReady = resolve;
      this.#onFailed = reject;
    }).finally(() => clearTimeout(timer));
    this.ready.catch(() => {});
    const frames = new FrameReader();
    const onData = (chunk: Buffer) => {
      try {
        for (const { type, payload } of frames.push(chunk)) this.#frame(type, payload);
      } catch {
        socket.destroy();
      }
    };
    socket.on("data", onData).on("end", () => socket.destroy());
    socket.on("close", () => {
      // It lives on, and another server will hear of it.
      if (of.isKept && streams.detached) return;
      this.#onFailed(agentGone());
      if (of.isKept) this.#forget();
      this.#settle({ signal: "SIGKILL", oomKilled: false });
    });
    if (rest.length > 0) onData(rest);
    socket.resume();
  }

  #frame(type: number, payload: Buffer): void {
    if (type === FRAME.stdout) this.#push({ stream: "stdout", data: payload });
    else if (type === FRAME.stderr) this.#push({ stream: "stderr", data: payload });
    else if (type === FRAME.stdinTaken) this.#taken(payload.readUInt32BE(0));
    else if (type === FRAME.stdinClosed) this.#endInput("has closed its stdin");
    else if (type === FRAME.started) {
      this.pid = payload.readUInt32BE(0);
      this.#onReady();
    } else if (type === FRAME.attached) {
      this.#attached(payload);
    } else if (type === FRAME.failed) {
      const step = stepOf(payload.readUInt8(0));
      this.#onFailed(errnoError(payload.readUInt32BE(1), step, this.#attemptOf(step)));
      this.#stream.socket.destroy();
    } else if (type === FRAME.exit) {
      this.#settle(readProcessExit(payload.readUInt8(0) === 1, payload.readUInt32BE(1)));
      // What is kept stays with the agent until it is closed.
      if (!this.#of.isKept) this.#stream.socket.destroy();
    }
  }

  #attached(payload: Buffer): void {
    this.pid = payload.readUInt32BE(0);
    const received = Number(payload.readBigUInt64BE(4));
    this.state = { inputReceived: received, inputOver: payload.readUInt8(16) === 1, ended: payload.readUInt8(17) === 1 };
    this.#sent = received;
    this.inputTaken = received - payload.readUInt32BE(12);
    if (this.state.inputOver) this.#endInput("takes no more input");
    if (this.state.ended) this.ended();
    this.#onReady();
  }

  taken({ stdout, stderr }: Taken): void {
    const offsets = [stdout, stderr].map((offset) => (offset === "none" ? NOT_WANTED : BigInt(offset)));
    this.#send(
      FRAME.taken,
      new BodyWriter()
        .u64(offsets[0] ?? 0n)
        .u64(offsets[1] ?? 0n)
        .finish(),
    );
  }

  #push(chunk: OutputChunk): void {
    if (chunk.data.byteLength === 0) return;
    if (this.#restBytes !== undefined) {
      this.#restBytes += chunk.data.byteLength;
      // No pipe holds so much: this is no agent of ours.
      if (this.#restBytes > MAX_REST_BYTES) throw new Error("More output than a process can have left.");
    }
    this.output.push(chunk);
  }

  /** The process has ended: the rest is taken in at once, so that its end is known even where nobody reads. */
  ended(): void {
    this.#restBytes ??= 0;
    this.output.takeRest();
    this.#endInput("has ended");
  }

  #settle(exit: Exit): void {
    if (this.#settled) return;
    this.#settled = true;
    this.output.end();
    this.#endInput("has ended");
    this.#onExit(exit);
  }

  #taken(bytes: number): void {
    this.inputTaken += bytes;
    if (this.inputTaken > this.#sent) throw new Error("The agent claims to have passed on more input than there was.");
    this.#wake?.();
  }

  #endInput(how: string): void {
    this.#inputOver ??= new AgentError("EPIPE", "pipes", `${this.#of.name} ${how} and takes no more input (EPIPE).`);
    this.#wake?.();
  }

  #send(type: number, payload?: Uint8Array): void {
    if (this.#stream.socket.writable) this.#stream.socket.write(encodeFrame(type, payload));
  }

  /** One after the other. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  write(data: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      for (let at = 0; at < data.byteLength; ) {
        if (this.#inputOver !== undefined) throw this.#inputOver;
        const bytes = Math.min(data.byteLength - at, CHUNK_BYTES, STDIN_WINDOW - (this.#sent - this.inputTaken));
        if (bytes === 0) {
          await this.#news();
          continue;
        }
        this.#sent += bytes;
        this.#send(FRAME.stdin, data.subarray(at, at + bytes));
        at += bytes;
      }
      while (this.inputTaken < this.#sent) {
        if (this.#inputOver !== undefined) throw this.#inputOver;
        await this.#news();
      }
    });
  }

  async #news(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  endInput(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#inputOver !== undefined) return;
      this.#send(FRAME.stdinEnd);
      if (!this.#of.isTerminal) this.#endInput("has been given the end of its input");
    });
  }

  resize(rows: number, columns: number): void {
    const size = Buffer.alloc(4);
    size.writeUInt16BE(rows, 0);
    size.writeUInt16BE(columns, 2);
    this.#send(FRAME.resize, size);
  }

  signal(name: NodeJS.Signals): void {
    this.#send(FRAME.signal, Uint8Array.of(constants.signals[name]));
  }

  close(): void {
    this.output.discard();
    if (this.#of.isKept) this.#forget();
    this.#stream.socket.destroy();
  }

  #forget(): void {
    if (this.#forgotten || this.#streams.detached) return;
    this.#forgotten = true;
    this.#streams.control(FRAME.forget, this.#key);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
