// The host's side of the launcher process (see main.ts).

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
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
  /** From now on it lives on when this process or the launcher ends; nobody is told of its end then. */
  keep(): void;
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
  /** Words to put before its command, e.g. those that give it a network of its own. Default none. */
  readonly prefix?: readonly string[];
}

const READY_TIMEOUT_MS = 30_000;
const MAX_SOCKET_PATH_BYTES = 107;

export class Launcher implements AsyncDisposable {
  readonly #command: readonly string[];
  readonly #dir: string;
  readonly #name: string;
  readonly #socket: string;
  readonly #connectPath: string;
  readonly #dirDescriptor: number | undefined;
  readonly #waiting = new Map<number, (exit: ProcessExit) => void>();
  #child: ChildProcess | undefined;
  #booting: Promise<void> | undefined;
  #alive = false;
  #disposed = false;
  #nextId = 1;

  /** Starts the launcher process and waits until it listens. Should it die later, the next `spawn` starts another. */
  static async start(options: LauncherOptions): Promise<Launcher> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    await removeStaleSockets(options.dir);
    const launcher = new Launcher(options, options.program ?? (await resolveProgram("launcher", options.dir)));
    await launcher.#boot();
    return launcher;
  }

  private constructor({ dir, prefix = [] }: LauncherOptions, program: string) {
    this.#dir = dir;
    this.#command = [...prefix, process.execPath, "--max-old-space-size=128", program];
    this.#name = `launcher-${process.pid}-${randomBytes(3).toString("hex")}.sock`;
    this.#socket = join(dir, this.#name);
    // Paths of unix sockets end at 107 bytes; through a descriptor of its directory each is short enough.
    this.#dirDescriptor = Buffer.byteLength(this.#socket) > MAX_SOCKET_PATH_BYTES ? openSync(dir, "r") : undefined;
    this.#connectPath = this.#dirDescriptor === undefined ? this.#socket : `/proc/self/fd/${this.#dirDescriptor}/${this.#name}`;
  }

  #boot(): Promise<void> {
    this.#booting ??= this.#launch().finally(() => {
      this.#booting = undefined;
    });
    return this.#booting;
  }

  async #launch(): Promise<void> {
    await rm(this.#socket, { force: true });
    const [program = "", ...args] = this.#command;
    const child = spawn(program, [...args, this.#name], {
      cwd: this.#dir,
      stdio: ["pipe", "pipe", "inherit"],
      env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin" },
      // A terminal's Ctrl-C goes to the foreground group; the launcher must outlive it by as long as its host.
      detached: true,
    });
    this.#child = child;
    child.stdin.on("error", () => {});
    child.once("exit", () => {
      this.#alive = false;
      for (const settle of this.#waiting.values()) settle({ signal: "SIGKILL" });
      this.#waiting.clear();
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`The launcher did not start within ${READY_TIMEOUT_MS} ms.`)), READY_TIMEOUT_MS);
      const settled = (settle: () => void) => {
        clearTimeout(timer);
        settle();
      };
      child.once("error", (error) =>
        settled(() => reject(new Error(`The launcher could not be started: ${error.message}`, { cause: error }))),
      );
      child.once("exit", (code, signal) => settled(() => reject(new Error(`The launcher ended at start (${signal ?? `code ${code}`}).`))));
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line === "ready") settled(resolve);
        else this.#settle(JSON.parse(line) as ExitNotice);
      });
    });
    this.#alive = true;
    this.#hold(false);
  }

  /** The launcher keeps its host alive only while something runs. */
  #hold(alive: boolean): void {
    const child = this.#child;
    const handles = [child, child?.stdin, child?.stdout] as unknown as ({ ref?(): void; unref?(): void } | undefined)[];
    for (const handle of handles) alive ? handle?.ref?.() : handle?.unref?.();
  }

  #settle(notice: ExitNotice): void {
    const settle = this.#waiting.get(notice.id);
    this.#waiting.delete(notice.id);
    if (this.#waiting.size === 0) this.#hold(false);
    settle?.(notice.code === null ? { signal: notice.signal ?? "SIGKILL" } : { code: notice.code });
  }

  /** Starts a process. Rejects with the reason when it cannot be started. */
  async spawn(options: LaunchOptions): Promise<LaunchedProcess> {
    if (this.#disposed) throw new Error("The container host has been closed.");
    if (!this.#alive) await this.#boot();
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
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#booting?.catch(() => {});
    const child = this.#child;
    if (child !== undefined && this.#alive) {
      this.#hold(true);
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.stdin?.end();
      await ended;
    }
    if (this.#dirDescriptor !== undefined) closeSync(this.#dirDescriptor);
    await rm(this.#socket, { force: true });
  }
}

function launched(socket: Socket, pid: number, output: OutputQueue, exited: Promise<ProcessExit>): LaunchedProcess {
  let kept = false;
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
    keep: () => {
      kept = true;
      send(encodeFrame(FRAME.keep, "kept"));
    },
    close: () => {
      output.discard();
      // The launcher must hear that it is not to be kept before it hears the end.
      if (kept && socket.writable) socket.end(encodeFrame(FRAME.keep, ""));
      else socket.destroy();
    },
  };
}

/** Sockets of hosts that were killed. The pid in the name says whose it was. */
async function removeStaleSockets(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const pid = /^launcher-(\d+)-\w+\.sock$/.exec(name)?.[1];
    if (pid === undefined) continue;
    try {
      process.kill(Number(pid), 0);
    } catch {
      await rm(join(dir, name), { force: true });
    }
  }
}
