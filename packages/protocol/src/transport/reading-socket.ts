// A socket that node:http2 can always read from.
//
// On a plain socket node:http2 stops reading while a write is under way (Http2Session::MaybeStopReading). Two such ends whose kernel
// buffers are full then wait for each other for ever: each would have to read for the other's write to finish. Over unix sockets
// a map with arguments of some kilobytes is enough. Here a write counts as done when it is in the socket's own queue, so that this end
// goes on reading and the other's writes finish. What is queued is bounded by the flow control windows that the peer gave.
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/** In which node:http2 has come to the trailers, from wherever the answer was made. */
const GATHERED_TURNS = 3;

type Written = (error?: Error | null) => void;

export class ReadingSocket extends Duplex {
  readonly #socket: Socket;
  #isGathering = false;
  #isHasty = false;

  constructor(socket: Socket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("close", () => this.destroy());
    // Always followed by "close", which ends this stream; the owner of the socket hears of the error itself.
    socket.on("error", () => {});
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Written): void {
    this.#gather();
    this.#socket.write(chunk);
    done();
  }

  override _writev(chunks: { chunk: Buffer }[], done: Written): void {
    this.#gather();
    this.#socket.cork();
    for (const { chunk } of chunks) this.#socket.write(chunk);
    this.#socket.uncork();
    done();
  }

  /** For a peer whose answers have no trailers to wait for. */
  writeAtOnce(): void {
    this.#isHasty = true;
  }

  /**
   * node:http2 writes the trailers of an answer up to two turns after the rest of it. One system call for both costs less than two, and
   * wakes the peer once.
   */
  #gather(): void {
    if (this.#isGathering || this.#isHasty) return;
    this.#isGathering = true;
    this.#socket.cork();
    afterTurns(GATHERED_TURNS, () => {
      this.#isGathering = false;
      this.#socket.uncork();
    });
  }

  override _final(done: Written): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: Written): void {
    this.#socket.destroySoon();
    done(error);
  }
}

function afterTurns(turns: number, then: () => void): void {
  setImmediate(() => (turns > 1 ? afterTurns(turns - 1, then) : then()));
}
