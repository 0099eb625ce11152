// The parent of the server: holds the listening socket and starts the server again when it crashes.
//
//   starting ──ready──▶ running ──crash──▶ (delay) ──▶ starting        more than 5 crashes a minute: give up
//      │                   │
//      └──── signal ───────┴──▶ stopping ──exit──▶ done                a crash before the first "ready": give up
//
// It does nothing else and loads nothing of the server, so that nothing in it can crash or grow.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { userNamespacePrefix } from "@lydian/containers/user-namespace";
import { findRunningServer, removeServerRecord, writeServerRecord } from "../../config/server-record.ts";
import { buildId, CLI_FILE } from "../dist-files.ts";
import { EXIT, UsageError } from "../exit.ts";
import { holdSocket } from "./held-socket.ts";
import type { ReadyMessage, ServeOptions } from "./options.ts";
import { restartDelayMs } from "./restart-policy.ts";

const SOCKET_FD = 4;
/** How long a server that was asked to stop may take before it is killed. Its own bounds are shorter. */
const STOP_TIMEOUT_MS = 60_000;

/** Runs the server until it is stopped. Resolves to the exit code. `onReady` is called once. */
export async function supervise(options: ServeOptions, onReady: (url: string) => void): Promise<number> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const other = await findRunningServer(options.dataDir);
  if (other)
    throw new UsageError(`a server (pid ${other.pid}) already uses ${options.dataDir}`, "Stop it, or use another directory: --data DIR");
  const socket = options.port === undefined ? undefined : holdSocket(options.host, options.port);
  const port = socket?.port ?? options.port;
  const url = port === undefined ? undefined : `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`;
  try {
    return await new Supervisor(options, socket?.fd, url, onReady).run();
  } finally {
    socket?.close();
    removeServerRecord(options.dataDir, process.pid);
  }
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

class Supervisor {
  readonly #options: ServeOptions;
  readonly #fd: number | undefined;
  readonly #url: string | undefined;
  readonly #onReady: (url: string) => void;
  readonly #crashes: number[] = [];
  #child: ChildProcess | undefined;
  #wasReady = false;
  #stopping = false;
  #cutShort: (() => void) | undefined;

  constructor(options: ServeOptions, fd: number | undefined, url: string | undefined, onReady: (url: string) => void) {
    this.#options = options;
    this.#fd = fd;
    this.#url = url;
    this.#onReady = onReady;
  }

  async run(): Promise<number> {
    const stop = () => this.#stop();
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    try {
      for (;;) {
        const { code, signal } = await this.#once();
        if (this.#stopping || code === 0) return code ?? EXIT.failed;
        // It has said on stderr why.
        if (!this.#wasReady) return code || EXIT.failed;
        const delayMs = this.#afterCrash(signal ?? `exit code ${code}`);
        if (delayMs === undefined) return EXIT.failed;
        await this.#pause(delayMs);
        if (this.#stopping) return EXIT.ok;
      }
    } finally {
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
    }
  }

  /** One life of the server. */
  #once(): Promise<End> {
    const config = JSON.stringify({ ...this.#options, fd: this.#fd === undefined ? undefined : SOCKET_FD });
    const stdio = ["ignore", 2, 2, "ipc", ...(this.#fd === undefined ? [] : [this.#fd])] as const;
    const [program = "", ...args] = [...prefixOf(this.#options.containerHost), process.execPath, CLI_FILE, "internal-server", config];
    const child = spawn(program, args, { stdio: [...stdio] });
    this.#child = child;
    child.on("message", (message) => this.#ready(message as ReadyMessage));
    return new Promise((resolve) => {
      child.once("error", (error) => {
        process.stderr.write(`lydian: the server's process cannot be started: ${error.message}\n`);
        resolve({ code: EXIT.failed, signal: null });
      });
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
  }

  #ready({ socketUrl }: ReadyMessage): void {
    const url = this.#url ?? socketUrl;
    writeServerRecord(this.#options.dataDir, { pid: process.pid, url, socketUrl, build: buildId() });
    if (this.#wasReady) process.stderr.write("lydian: the server is back\n");
    else this.#onReady(url);
    this.#wasReady = true;
  }

  #afterCrash(how: string): number | undefined {
    const now = performance.now();
    this.#crashes.push(now);
    const delayMs = restartDelayMs(this.#crashes, now);
    const next = delayMs === undefined ? "it crashed too often, giving up" : "starting it again";
    process.stderr.write(`lydian: the server ended unexpectedly (${how}); ${next}\n`);
    return delayMs;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#cutShort = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** First signal: the server drains and ends. Second, or too slow: it is killed. */
  #stop(): void {
    const child = this.#child;
    if (this.#stopping) child?.kill("SIGKILL");
    else {
      // Not by a signal: whoever made a namespace for it does not pass that on.
      if (child?.connected) child.disconnect();
      else child?.kill("SIGTERM");
      setTimeout(() => child?.kill("SIGKILL"), STOP_TIMEOUT_MS).unref();
    }
    this.#stopping = true;
    this.#cutShort?.();
  }
}

/** Where root is needed and a user namespace can be had, the server is root there. Otherwise it says itself what it cannot do. */
function prefixOf(host: ServeOptions["containerHost"]): readonly string[] {
  if (host === "process" || process.platform !== "linux") return [];
  try {
    return userNamespacePrefix() ?? [];
  } catch {
    return [];
  }
}
