// The listening socket of one container: tells the agent from everybody else, and hands each stream to whoever asked for it.
//
// Everything that comes from here is hostile: any program of the container can connect. It gets as far as its first frame, which must be
// a token that is waited for; how many may be on their way there, and how long, is bounded.

import { randomBytes, timingSafeEqual } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { AgentError, agentGone, errnoError } from "./agent-error.ts";
import {
  encodeFrame,
  FRAME,
  FrameReader,
  HEADER_BYTES,
  MAX_REQUEST_BYTES,
  OPERATION,
  type Operation,
  SECRET_BYTES,
  TOKEN_BYTES,
  WIRE_VERSION,
} from "./wire.ts";

/** Connections that have not said who they are; the oldest goes when there are more. */
const MAX_STRANGERS = 512;
/** Streams at once; each holds a descriptor. */
const MAX_STREAMS = 4_096;
const STRANGER_TIMEOUT_MS = 10_000;
/** How long the agent may take to open a stream. A frozen container does not. */
const OPEN_TIMEOUT_MS = 30_000;
const MAX_SOCKET_PATH_BYTES = 107;
const MAX_CONTROL_PAYLOAD = 64;

export interface OpenedStream {
  readonly socket: Socket;
  /** What has been read from it already, behind the token. */
  readonly rest: Buffer;
}

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told when the process of an exec has ended; it is dropped with the stream. */
  readonly onExited?: () => void;
  /** Unguessable. Default: a new one. */
  readonly token?: Buffer;
  /** Of the stream with which the process was started. Default: of this one. */
  readonly exitToken?: Buffer;
}

interface Waiting {
  resolve(stream: OpenedStream): void;
  reject(error: Error): void;
}

export interface StreamsOptions {
  readonly path: string;
  readonly surviveSeconds: number;
  /** Of the agent that is expected back. Undefined: a new one, which is told `secret`. */
  readonly known: boolean;
  readonly secret: Buffer;
}

export class Streams implements AsyncDisposable {
  /** Resolves when the agent has greeted. Rejects when closed before. */
  readonly greeted: Promise<void>;
  /** Resolves when its control connection has ended. */
  readonly gone: Promise<void>;
  readonly #options: StreamsOptions;
  readonly #server: Server;
  readonly #strangers = new Set<Socket>();
  readonly #streams = new Set<Socket>();
  readonly #waiting = new Map<string, Waiting>();
  /** Told when the process of that token has ended. */
  readonly #exits = new Map<string, () => void>();
  #control: Socket | undefined;
  #closed = false;
  #detached = false;
  #onGreeted: () => void = () => {};
  #onNever: (error: Error) => void = () => {};
  #onGone: () => void = () => {};

  private constructor(options: StreamsOptions) {
    this.#options = options;
    this.greeted = new Promise((resolve, reject) => {
      this.#onGreeted = resolve;
      this.#onNever = reject;
    });
    this.greeted.catch(() => {});
    this.gone = new Promise((resolve) => {
      this.#onGone = resolve;
    });
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#meet(socket));
    this.#server.maxConnections = MAX_STREAMS + MAX_STRANGERS + 1;
  }

  static async listen(options: StreamsOptions): Promise<Streams> {
    const streams = new Streams(options);
    await rm(options.path, { force: true });
    const long = Buffer.byteLength(options.path) > MAX_SOCKET_PATH_BYTES;
    // Through a descriptor of its directory each path is short enough.
    const directory = long ? openSync(dirname(options.path), "r") : undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        streams.#server.once("error", reject);
        const path = directory === undefined ? options.path : `/proc/self/fd/${directory}/${basename(options.path)}`;
        streams.#server.listen({ path, backlog: 4_096 }, resolve);
      });
    } finally {
      if (directory !== undefined) closeSync(directory);
    }
    streams.#server.on("error", () => {});
    streams.#server.unref();
    return streams;
  }

  /** The first frame of a connection says whose it is. */
  #meet(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.#strangers.size >= MAX_STRANGERS) {
      const [oldest] = this.#strangers;
      if (oldest !== undefined) this.#strangers.delete(oldest);
      oldest?.destroy();
    }
    this.#await(socket);
  }

  #await(socket: Socket): void {
    this.#strangers.add(socket);
    let held: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => socket.destroy(), STRANGER_TIMEOUT_MS).unref();
    const forget = () => {
      clearTimeout(timer);
      this.#strangers.delete(socket);
    };
    const onEnd = () => socket.destroy();
    const onData = (chunk: Buffer) => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      if (held.length < HEADER_BYTES) return;
      const length = held.readUInt32BE(1);
      if (length > 1 + SECRET_BYTES) {
        socket.destroy();
        return;
      }
      if (held.length < HEADER_BYTES + length) return;
      socket.off("data", onData).off("end", onEnd).off("close", forget);
      socket.pause();
      forget();
      this.#introduced(socket, held.readUInt8(0), held.subarray(HEADER_BYTES, HEADER_BYTES + length), held.subarray(HEADER_BYTES + length));
    };
    socket.on("data", onData).on("end", onEnd).on("close", forget);
  }

  #introduced(socket: Socket, type: number, payload: Buffer, rest: Buffer): void {
    if (type === FRAME.hello && this.#control === undefined && this.#isAgent(payload)) {
      this.#greet(socket, rest);
      return;
    }
    const token = type === FRAME.token && payload.length === TOKEN_BYTES ? payload.toString("hex") : "";
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) {
      socket.destroy();
      return;
    }
    this.#waiting.delete(token);
    this.#streams.add(socket);
    socket.on("close", () => this.#streams.delete(socket));
    waiting.resolve({ socket, rest });
  }

  #isAgent(hello: Buffer): boolean {
    if (hello.length === 0 || hello.readUInt8(0) !== WIRE_VERSION) return false;
    const { known, secret } = this.#options;
    const shown = hello.subarray(1);
    return known ? shown.length === secret.length && timingSafeEqual(shown, secret) : shown.length === 0;
  }

  #greet(socket: Socket, rest: Buffer): void {
    this.#control = socket;
    const frames = new FrameReader(MAX_CONTROL_PAYLOAD);
    const onData = (chunk: Buffer) => {
      try {
        for (const { type, payload } of frames.push(chunk)) this.#controlFrame(type, payload);
      } catch {
        socket.destroy();
      }
    };
    socket.on("data", onData).on("end", () => socket.destroy());
    socket.on("close", () => this.#end());
    if (rest.length > 0) onData(rest);
    socket.resume();
    const seconds = Buffer.alloc(2);
    seconds.writeUInt16BE(this.#options.surviveSeconds);
    socket.write(encodeFrame(FRAME.welcome, Buffer.concat([seconds, this.#options.secret])));
    this.#onGreeted();
  }

  #controlFrame(type: number, payload: Buffer): void {
    const token = payload.subarray(0, TOKEN_BYTES).toString("hex");
    if (type === FRAME.exited) {
      this.#exits.get(token)?.();
    } else if (type === FRAME.refused) {
      const waiting = this.#waiting.get(token);
      this.#waiting.delete(token);
      waiting?.reject(errnoError(payload.readUInt32BE(TOKEN_BYTES), "agent", "The container's agent could not open a stream"));
    }
  }

  /** Asks for a stream. */
  async open(operation: Operation, body: Buffer, options: OpenOptions = {}): Promise<OpenedStream> {
    const { signal, onExited, token = randomBytes(TOKEN_BYTES) } = options;
    signal?.throwIfAborted();
    const control = this.#control;
    if (control === undefined || control.destroyed || this.#closed) throw agentGone();
    if (body.length > MAX_REQUEST_BYTES)
      throw new AgentError("E2BIG", "request", `A request of ${body.length} bytes is over the limit of ${MAX_REQUEST_BYTES} (E2BIG).`);
    if (this.#streams.size + this.#waiting.size >= MAX_STREAMS)
      throw new AgentError("EAGAIN", "agent", `The container has ${MAX_STREAMS} processes and streams already (EAGAIN).`);
    const name = token.toString("hex");
    const exitName = (options.exitToken ?? token).toString("hex");
    if (onExited !== undefined) this.#exits.set(exitName, onExited);
    let timer: NodeJS.Timeout | undefined;
    let onAbort: (() => void) | undefined;
    try {
      const opened = await new Promise<OpenedStream>((resolve, reject) => {
        this.#waiting.set(name, { resolve, reject });
        timer = setTimeout(
          () =>
            reject(new AgentError("ETIMEDOUT", "agent", `The container's agent did not answer within ${OPEN_TIMEOUT_MS} ms (ETIMEDOUT).`)),
          OPEN_TIMEOUT_MS,
        );
        onAbort = () =>
          reject(signal?.reason instanceof Error ? signal.reason : new AgentError("ECANCELED", "agent", "Given up (ECANCELED)."));
        signal?.addEventListener("abort", onAbort, { once: true });
        control.write(encodeFrame(FRAME.open, Buffer.concat([token, Uint8Array.of(OPERATION[operation]), body])));
      });
      opened.socket.on("close", () => this.#exits.delete(exitName));
      // It was closed while the promise was on its way.
      if (opened.socket.destroyed) throw agentGone();
      if (signal !== undefined) {
        const abort = () => opened.socket.destroy();
        signal.addEventListener("abort", abort, { once: true });
        opened.socket.on("close", () => signal.removeEventListener("abort", abort));
      }
      return opened;
    } catch (error) {
      this.#exits.delete(exitName);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(name);
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Something on the control connection. No effect when that is gone. */
  control(type: number, payload: Buffer): void {
    if (this.#control !== undefined && !this.#control.destroyed) this.#control.write(encodeFrame(type, payload));
  }

  /** Nobody is to be told any more what becomes of the agent. */
  get detached(): boolean {
    return this.#detached;
  }

  async detach(): Promise<void> {
    this.#detached = true;
    this.#onGone = () => {};
    await this[Symbol.asyncDispose]();
  }

  /** The agent has gone, or is to: nothing of it is left. */
  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#server.close();
    for (const socket of [...this.#strangers, ...this.#streams]) socket.destroy();
    this.#control?.destroy();
    for (const waiting of this.#waiting.values()) waiting.reject(agentGone());
    this.#waiting.clear();
    this.#onNever(agentGone());
    this.#onGone();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await rm(this.#options.path, { force: true });
  }
}
