// The stream of one file operation: frames one after the other, at the reader's pace.

import { AgentError, agentGone, errnoError, stepOf } from "./agent-error.ts";
import type { OpenedStream } from "./streams.ts";
import { encodeFrame, FRAME, type Frame, FrameReader } from "./wire.ts";

export class FileStream implements Disposable {
  readonly #stream: OpenedStream;
  readonly #signal: AbortSignal | undefined;
  /** Says what is done, e.g. "/etc/x could not be read". */
  readonly #attempt: string;
  readonly #frames: AsyncGenerator<Frame>;
  #stays = false;

  constructor(stream: OpenedStream, attempt: string, signal: AbortSignal | undefined) {
    this.#stream = stream;
    this.#attempt = attempt;
    this.#signal = signal;
    if (stream.rest.length > 0) stream.socket.unshift(stream.rest);
    this.#frames = this.#cut();
  }

  async *#cut(): AsyncGenerator<Frame> {
    const reader = new FrameReader();
    try {
      for await (const chunk of this.#stream.socket) yield* reader.push(chunk as Buffer);
    } catch (error) {
      // A frame too large, or a connection that broke.
      throw new AgentError("ECONNRESET", "agent", `${this.#attempt}: the container's agent broke off (ECONNRESET).`, { cause: error });
    }
  }

  /** The next frame, which must be of one of these types. Rejects with what the agent says failed. */
  async next(...types: readonly number[]): Promise<Frame> {
    const next = await this.#frames.next().catch((error: unknown) => {
      this.#signal?.throwIfAborted();
      throw error;
    });
    this.#signal?.throwIfAborted();
    if (next.done === true) throw agentGone();
    const { type, payload } = next.value;
    if (types.includes(type)) return next.value;
    if (type === FRAME.failed && payload.length === 5) {
      if (!this.#stays) this.close();
      throw errnoError(payload.readUInt32BE(1), stepOf(payload.readUInt8(0)), this.#attempt);
    }
    this.close();
    throw new AgentError("EPROTO", "agent", `${this.#attempt}: the container's agent answered with frame ${type} (EPROTO).`);
  }

  /** From now on a failure is one of what was asked last: more may be asked. */
  stay(): void {
    this.#stays = true;
  }

  /** False: the other side has said its last word, which `next` gives. Resolves when more may be sent. */
  async send(type: number, payload?: Uint8Array): Promise<boolean> {
    const { socket } = this.#stream;
    if (!socket.writable) return false;
    if (socket.write(encodeFrame(type, payload))) return true;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off("drain", done).off("close", done).off("readable", done);
        resolve();
      };
      // What comes before the end of an upload is the news that it failed.
      socket.once("drain", done).once("close", done).once("readable", done);
    });
    return socket.writable && socket.readableLength === 0;
  }

  close(): void {
    this.#stream.socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
