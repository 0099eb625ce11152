// Waits for the agent of a container.

import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { within } from "../within.ts";
import type { Agent, AgentProcess, ExecSpec, KeptProcess, ProcessState, RequestOptions, Taken } from "./agent.ts";
import { AgentError, errnoError, stepOf } from "./agent-error.ts";
import type { AgentFiles } from "./agent-files.ts";
import { attachProcess, listKept, startProcess } from "./exec.ts";
import { StreamFiles } from "./files.ts";
import { Streams } from "./streams.ts";
import { BodyWriter, FRAME, FrameReader, SECRET_BYTES } from "./wire.ts";

export interface AgentListenerOptions {
  /**
   * The socket, in a directory of the container's own that exists and is a bind of it (a bind of the socket itself would not show the
   * next server's). What is there is replaced.
   */
  readonly path: string;
  /**
   * How long the agent waits for another server at the same path when this one has vanished, up to 65,535. Processes whose stream is
   * cut are killed all the same. Default 0: it ends at once, and with it the container whose first process it is.
   */
  readonly surviveSeconds?: number;
  /** `secret` of the listener that the agent knew before. Then only that agent is let in. Default: a new agent is expected. */
  readonly secret?: Uint8Array;
}

const MAX_LIFE_S = 4_000_000;

/** Listens for one agent, and is its owner. */
export interface AgentListener extends AsyncDisposable {
  /** Goes away without ending what lives on (`Agent.live`, `ExecSpec.keep`): nothing is heard of it any more. */
  detach(): Promise<void>;
  /** Knows the agent again after a restart of the server; keep it as secret as a key. */
  readonly secret: Buffer;
  /** Resolves when the agent has connected; rejects (ETIMEDOUT) when it has not within `timeoutMs`, or (ECONNRESET) when this is closed before. */
  connected(timeoutMs: number): Promise<Agent>;
}

export async function listenForAgent(options: AgentListenerOptions): Promise<AgentListener> {
  const secret = Buffer.from(options.secret ?? randomBytes(SECRET_BYTES));
  if (secret.length !== SECRET_BYTES) throw new RangeError(`The secret of an agent has ${SECRET_BYTES} bytes, not ${secret.length}.`);
  const surviveSeconds = options.surviveSeconds ?? 0;
  if (!Number.isInteger(surviveSeconds) || surviveSeconds < 0 || surviveSeconds > 65_535) {
    throw new RangeError(`surviveSeconds is ${surviveSeconds}; it must be a whole number from 0 to 65,535.`);
  }
  const streams = await Streams.listen({ path: options.path, surviveSeconds, secret, known: options.secret !== undefined });
  const agent = new StreamAgent(streams);
  return {
    secret,
    connected: async (timeoutMs) => {
      const greeted = await within(
        streams.greeted.then(() => true),
        timeoutMs,
      );
      if (greeted === true) return agent;
      throw new AgentError("ETIMEDOUT", "agent", `The container's agent did not connect within ${timeoutMs} ms (ETIMEDOUT).`);
    },
    detach: () => streams.detach(),
    [Symbol.asyncDispose]: () => streams[Symbol.asyncDispose](),
  };
}

class StreamAgent implements Agent {
  readonly files: AgentFiles;
  readonly gone: Promise<void>;
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
    this.files = new StreamFiles(streams);
    this.gone = streams.gone;
  }

  exec(spec: ExecSpec, options?: RequestOptions): Promise<AgentProcess> {
    return startProcess(this.#streams, spec, options);
  }

  kept(): Promise<readonly KeptProcess[]> {
    return listKept(this.#streams);
  }

  attach(key: Buffer, taken: Taken, isTerminal: boolean): Promise<{ readonly process: AgentProcess; readonly state: ProcessState }> {
    return attachProcess(this.#streams, key, taken, isTerminal);
  }

  live(seconds: number): void {
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > MAX_LIFE_S)
      throw new RangeError(`A life of ${seconds} s is not from 0 to ${MAX_LIFE_S}.`);
    this.#streams.control(FRAME.life, new BodyWriter().u32(seconds).finish());
  }

  async connect(port: number, options: RequestOptions = {}): Promise<Duplex> {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new AgentError("EINVAL", "request", `The port ${port} must be a whole number from 1 to 65,535 (EINVAL).`);
    }
    const { socket, rest } = await this.#streams.open("connect", new BodyWriter().u16(port).finish(), options);
    const first = await new Promise<{ type: number; payload: Buffer; rest: Buffer }>((resolve, reject) => {
      let held: Buffer = Buffer.alloc(0);
      let answered = false;
      const done = () => {
        answered = true;
        socket.off("data", onData).off("close", onClose).off("end", onClose);
      };
      const onClose = () => {
        done();
        socket.destroy();
        reject(new AgentError("ECONNRESET", "agent", `Port ${port}: the container's agent broke off (ECONNRESET).`));
      };
      const onData = (chunk: Buffer) => {
        held = Buffer.concat([held, chunk]);
        // Both answers are short; what follows is plain bytes and no more frames.
        const length = held.length < 5 ? 0 : 5 + held.readUInt32BE(1);
        if (length > 16) return onClose();
        if (held.length < 5 || held.length < length) return;
        done();
        socket.pause();
        for (const frame of new FrameReader().push(held.subarray(0, length))) resolve({ ...frame, rest: held.subarray(length) });
      };
      socket.on("data", onData).on("close", onClose).on("end", onClose);
      if (rest.length > 0) onData(rest);
      // What follows the answer waits for its reader.
      if (!answered) socket.resume();
    });
    if (first.type === FRAME.started) {
      if (first.rest.length > 0) socket.unshift(first.rest);
      return socket;
    }
    socket.destroy();
    if (first.type === FRAME.failed && first.payload.length === 5) {
      const [step, errno] = [stepOf(first.payload.readUInt8(0)), first.payload.readUInt32BE(1)];
      throw errnoError(errno, step, `Port ${port} inside the container cannot be reached`);
    }
    throw new AgentError("EPROTO", "agent", `Port ${port}: the container's agent answered with frame ${first.type} (EPROTO).`);
  }
}
