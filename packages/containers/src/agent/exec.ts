// A process of the agent, over its own stream.

import { constants } from "node:os";
import { readProcessExit } from "../exit.ts";
import type { Exit, OutputChunk } from "../host.ts";
import { OutputQueue } from "../launcher/output-queue.ts";
import type { AgentProcess, ExecSpec, RequestOptions } from "./agent.ts";
import { AgentError, agentGone, errnoError, stepOf } from "./agent-error.ts";
import type { OpenedStream, Streams } from "./streams.ts";
import { BodyWriter, CHUNK_BYTES, EXEC_FLAG, encodeFrame, FRAME, FrameReader, STDIN_WINDOW } from "./wire.ts";

/** How long a program may take to be loaded. */
const START_TIMEOUT_MS = 30_000;
/** What may still be in pipes and sockets when a process has ended: two pipes of the largest size, and some. */
const MAX_REST_BYTES = 4 << 20;

function encodeSpec(spec: ExecSpec): Buffer {
  const { pty, user } = spec;
  return new BodyWriter()
    .u8((pty === undefined ? 0 : EXEC_FLAG.pty) | (user === undefined ? 0 : EXEC_FLAG.user))
    .u16(pty?.rows ?? 0)
    .u16(pty?.columns ?? 0)
    .u32(user?.uid ?? 0)
    .u32(user?.gid ?? 0)
    .string(spec.workdir)
    .strings(spec.argv)
    .strings(Object.entries(spec.env).map(([name, value]) => `${name}=${value}`))
    .finish();
}

function checkSpec(spec: ExecSpec): void {
  const refuse = (why: string) => {
    throw new AgentError("EINVAL", "request", `${why} (EINVAL).`);
  };
  if (spec.argv.length === 0 || spec.argv[0] === "") refuse("There is no program to run");
  if (!spec.workdir.startsWith("/")) refuse(`The working directory ${JSON.stringify(spec.workdir)} must be absolute`);
  for (const text of [spec.workdir, ...spec.argv, ...Object.entries(spec.env).flat()])
    if (text.includes("\0")) refuse("Arguments, environment and working directory must not contain NUL bytes");
}

/** What could not be done, for the sentence of an error. */
function attempt(spec: ExecSpec, step: string): string {
  return step === "chdir" ? `The working directory ${spec.workdir} cannot be used` : `${spec.argv[0]} could not be started`;
}

export async function startProcess(streams: Streams, spec: ExecSpec, options: RequestOptions = {}): Promise<AgentProcess> {
  checkSpec(spec);
  let started: ExecStream | undefined;
  let early = false;
  const stream = await streams.open("exec", encodeSpec(spec), options.signal, () => {
    early = true;
    started?.ended();
  });
  started = new ExecStream(stream, spec);
  // The end may have been told before the beginning.
  if (early) started.ended();
  await started.ready;
  return started;
}

class ExecStream implements AgentProcess {
  pid = 0;
  inputTaken = 0;
  readonly output: OutputQueue;
  readonly exited: Promise<Exit>;
  /** Resolves when the program runs; rejects with the reason when it does not. */
  readonly ready: Promise<void>;
  readonly #spec: ExecSpec;
  readonly #stream: OpenedStream;
  #onReady: () => void = () => {};
  #onFailed: (error: Error) => void = () => {};
  #onExit: (exit: Exit) => void = () => {};
  #settled = false;
  #restBytes: number | undefined;
  #sent = 0;
  #inputOver: AgentError | undefined;
  /** Writes wait for one another, and for `#wake`. */
  #turn: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;

  constructor(stream: OpenedStream, spec: ExecSpec) {
    const { socket, rest } = stream;
    this.#spec = spec;
    this.#stream = stream;
    this.output = new OutputQueue({ pause: () => socket.pause(), resume: () => socket.resume() });
    this.exited = new Promise((resolve) => {
      this.#onExit = resolve;
    });
    const timer = setTimeout(() => {
      this.#onFailed(
        new AgentError("ETIMEDOUT", "exec", `${spec.argv[0]} could not be started within ${START_TIMEOUT_MS} ms (ETIMEDOUT).`),
      );
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
      this.#onFailed(agentGone());
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
    } else if (type === FRAME.failed) {
      const step = stepOf(payload.readUInt8(0));
      this.#onFailed(errnoError(payload.readUInt32BE(1), step, attempt(this.#spec, step)));
      this.#stream.socket.destroy();
    } else if (type === FRAME.exit) {
      this.#settle(readProcessExit(payload.readUInt8(0) === 1, payload.readUInt32BE(1)));
      this.#stream.socket.destroy();
    }
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
    this.#inputOver ??= new AgentError("EPIPE", "pipes", `${this.#spec.argv[0]} ${how} and takes no more input (EPIPE).`);
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
      if (this.#spec.pty === undefined) this.#endInput("has been given the end of its input");
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
    this.#stream.socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
