// The wire between a host and its launcher: one unix socket connection per process, frames of
// one type byte, a 32-bit big-endian length and the payload.

/**
 * What a frame carries. The first frame of a connection is a `request`; an empty `stdin` closes stdin. `keep` with a payload: the process
 * outlives the connection and the launcher from now on; without one it does not any more.
 */
export const FRAME = { request: 0, stdin: 1, signal: 2, spawned: 3, stdout: 4, stderr: 5, failed: 6, keep: 7 } as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

const HEADER_BYTES = 5;
/** Larger frames are refused: the biggest real one is a request with its environment. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

export interface SpawnRequest {
  /** Chosen by the host; names the process in `ExitNotice`. */
  readonly id: number;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** The process leads a process group, which is killed as a whole when it ends. */
  readonly group: boolean;
  /** `cgroup.procs` files whose processes die with the connection. */
  readonly procsFiles: readonly string[];
}

/** One line of JSON on the launcher's stdout per ended process: not on the connection, where unread output would hold it up. */
export interface ExitNotice {
  readonly id: number;
  readonly code: number | null;
  readonly signal: string | null;
}

export function encodeFrame(type: FrameType, payload: Uint8Array | string): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload) : payload;
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.byteLength);
  frame.writeUInt8(type, 0);
  frame.writeUInt32BE(body.byteLength, 1);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** Cuts a byte stream back into frames. */
export class FrameDecoder {
  #pending: Buffer = Buffer.alloc(0);
  readonly #onFrame: (type: number, payload: Buffer) => void;

  constructor(onFrame: (type: number, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32BE(1);
      if (length > MAX_FRAME_BYTES) throw new Error(`A frame of ${length} bytes is over the limit of ${MAX_FRAME_BYTES}.`);
      if (rest.length < HEADER_BYTES + length) break;
      this.#onFrame(rest.readUInt8(0), rest.subarray(HEADER_BYTES, HEADER_BYTES + length));
      rest = rest.subarray(HEADER_BYTES + length);
    }
    this.#pending = rest;
  }
}
