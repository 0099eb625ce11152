// The host's side of the launcher process (see main.ts).

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type ExitNotice, encodeFrame, FRAME, FrameDecoder, type SpawnRequest } from "./frames.ts";
import { OutputQueue } from "./output-queue.ts";
import { resolveProgram } from "./program.ts";

/** How a process ended, as the kernel says: exactly one is set. */
export interface ProcessExit {
  readonly code?: number;
  readonly signal?: string;
}

export interface LaunchedProcess {
  readonly pid: number;
  readonly output: OutputQueue;
  /** Resolves when it has ended and all its output is in `output`. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Writes to its stdin. */
  write(text: string): void;
  /** Closes its stdin. */
  endInput(): void;
  signal(name: NodeJS.Signals): void;
  /** To be called in the end: kills it (and its group and control groups) if it still runs, and drops its output. */
  close(): void;
}

export interface LaunchOptions {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Kill its whole process group when it ends. Default false. */
  readonly group?: boolean;
  /** `cgroup.procs` files whose processes die with the host. Default none. */
  readonly procsFiles?: readonly string[];
}

export interface LauncherOptions {
  /** Where the socket lives. Created when missing. */
  readonly dir: string;
  /** The launcher program. Default: `launcher.js` beside the bundle, or the TypeScript source compiled on the fly. */
  readonly program?: string;
}

const READY_TIMEOUT_MS = 30_000;
const MAX_SOCKET_PATH_BYTES = 107;
let sockets = 0;

export class Launcher implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #socket: string;
  readonly #connectPath: string;
  readonly #dir: number | undefined;
  readonly #waiting = new Map<number, (exit: ProcessExit) => void>();
  readonly #ended: Promise<void>;
  #alive = true;
  #nextId = 1;

  /** Starts the launcher process and waits until it listens. */
  static async start(options: LauncherOptions): Promise<Launcher> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    const program = options.program ?? (await resolveProgram(options.dir));
    const name = `launcher-${process.pid}-${(sockets++).toString(36)}.sock`;
    const child = spawn(process.execPath, ["--max-old-space-size=128", program, name], {
      cwd: options.dir,
      stdio: ["pipe", "pipe", "inherit"],
      env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin" },
      // A terminal's Ctrl-C goes to the foreground group; the launcher must outlive it by as long as its host.
      detached: true,
    });
    const launcher = new Launcher(child, options.dir, name);
    await launcher.#ready;
    return launcher;
  }

  readonly #ready: Promise<void>;

  private constructor(child: ChildProcess, dir: string, name: string) {
    this.#child = child;
    this.#socket = join(dir, name);
    // Paths of unix sockets end at 107 bytes; through a descriptor of its directory each is short enough.
    this.#dir = Buffer.byteLength(this.#socket) > MAX_SOCKET_PATH_BYTES ? openSync(dir, "r") : undefined;
    this.#connectPath = this.#dir === undefined ? this.#socket : `/proc/self/fd/${this.#dir}/${name}`;
    let ready = () => {};
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
    this.#ready = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`The launcher did not start within ${READY_TIMEOUT_MS} ms.`)), READY_TIMEOUT_MS);
      ready = () => {
        clearTimeout(timer);
        resolve();
      };
      child.once("error", (error) => reject(new Error(`The launcher could not be started: ${error.message}`, { cause: error })));
      child.once("exit", (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`The launcher ended at start (${signal ?? `code ${code}`}).`));
      });
    });
    child.once("exit", () => {
      this.#alive = false;
      for (const settle of this.#waiting.values()) settle({ signal: "SIGKILL" });
      this.#waiting.clear();
    });
    child.stdin?.on("error", () => {});
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line === "ready") ready();
        else this.#settle(JSON.parse(line) as ExitNotice);
      });
    }
    this.#hold(false);
  }

  /** False once the launcher process has ended: start another. */
  get alive(): boolean {
    return this.#alive;
  }

  /** The launcher keeps its host alive only while something runs. */
  #hold(alive: boolean): void {
    const handles = [this.#child, this.#child.stdin, this.#child.stdout] as unknown as ({ ref?(): void; unref?(): void } | null)[];
    for (const handle of handles) alive ? handle?.ref?.() : handle?.unref?.();
  }

  #settle(notice: ExitNotice): void {
    const settle = this.#waiting.get(notice.id);
    this.#waiting.delete(notice.id);
    if (this.#waiting.size === 0) this.#hold(false);
    settle?.(notice.code === null ? { signal: notice.signal ?? "SIGKILL" } : { code: notice.code });
  }

  /** Starts a process. Rejects with the reason when it cannot be started. */
  spawn(options: LaunchOptions): Promise<LaunchedProcess> {
    if (!this.#alive) return Promise.reject(new Error("The launcher has ended."));
    const id = this.#nextId++;
    this.#hold(true);
    const request: SpawnRequest = { group: false, procsFiles: [], ...options, id };
    const socket = connect({ path: this.#connectPath, allowHalfOpen: true });
    return new Promise((resolve, reject) => {
      const output = new OutputQueue({ pause: () => socket.pause(), resume: () => socket.resume() });
      const closed = new Promise<void>((done) => socket.once("end", done).once("close", () => done()));
      const ended = new Promise<ProcessExit>((done) => this.#waiting.set(id, done));
      const exited = Promise.all([ended.finally(() => output.takeRest()), closed]).then(([exit]) => exit);
      const fail = (reason: string) => {
        this.#settle({ id, code: null, signal: "SIGKILL" });
        socket.destroy();
        reject(new Error(`${options.argv[0] ?? "(nothing)"} could not be started: ${reason}`));
      };
      const decoder = new FrameDecoder((type, payload) => {
        if (type === FRAME.stdout) output.push({ stream: "stdout", data: payload });
        else if (type === FRAME.stderr) output.push({ stream: "stderr", data: payload });
        else if (type === FRAME.failed) fail(payload.toString());
        else if (type === FRAME.spawned) {
          const { pid } = JSON.parse(payload.toString()) as { pid: number };
          resolve(launched(socket, pid, output, exited));
        }
      });
      socket.on("data", (chunk: Buffer) => decoder.push(chunk));
      socket.on("error", (error) => fail(error.message));
      socket.on("end", () => output.end());
      socket.on("close", () => {
        output.end();
        if (!this.#alive) fail("the launcher has ended");
      });
      socket.on("connect", () => socket.write(encodeFrame(FRAME.request, JSON.stringify(request))));
    });
  }

  /** Runs a short command to its end. Rejects with its stderr when it fails. */
  async run(argv: readonly string[], options: { cwd?: string; input?: string } = {}): Promise<string> {
    const child = await this.spawn({
      argv,
      env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
      cwd: options.cwd ?? "/",
    });
    if (options.input !== undefined) child.write(options.input);
    child.endInput();
    let stdout = "";
    let stderr = "";
    for await (const chunk of child.output) {
      const text = Buffer.from(chunk.data).toString();
      if (chunk.stream === "stdout") stdout += text;
      else stderr += text;
    }
    const exit = await child.exited;
    child.close();
    if (exit.code === 0) return stdout;
    throw new Error(
      `\`${argv.join(" ")}\` failed (${exit.signal ?? `code ${exit.code}`}): ${stderr.trim() || stdout.trim() || "no message"}`,
    );
  }

  /** Ends the launcher and all that it started. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    this.#hold(true);
    await this.#ended;
    if (this.#dir !== undefined) closeSync(this.#dir);
    await rm(this.#socket, { force: true });
  }
}

function launched(socket: Socket, pid: number, output: OutputQueue, exited: Promise<ProcessExit>): LaunchedProcess {
  const send = (frame: Buffer) => {
    if (socket.writable) socket.write(frame);
  };
  return {
    pid,
    output,
    exited,
    write: (text) => {
      if (text !== "") send(encodeFrame(FRAME.stdin, text));
    },
    endInput: () => send(encodeFrame(FRAME.stdin, "")),
    signal: (name) => send(encodeFrame(FRAME.signal, name)),
    close: () => {
      output.discard();
      socket.destroy();
    },
  };
}
