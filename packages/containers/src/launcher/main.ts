// The launcher: the one process that forks for containers.
//
// Why it exists: spawning blocks the event loop of a Node process in proportion to its memory (28 ms at 370 MB), so
// the server must never do it. The launcher stays small, spawns what it is told, and relays output with back-pressure.
// It never outlives its host: when its stdin ends, it kills all it has started, and itself. What the host has said to keep goes on
// without both.
//
// Usage: node launcher.js SOCKET_PATH

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { type ExitNotice, encodeFrame, FRAME, FrameDecoder, type SpawnRequest } from "./frames.ts";

/** How long pipes may stay open after the process has ended (a daemon that kept them): then they are closed from our side. */
const STRAY_PIPES_MS = 1_000;

const running = new Set<() => void>();

function killCgroup(procsFile: string): void {
  let pids: string;
  try {
    pids = readFileSync(procsFile, "utf8");
  } catch {
    return; // The cgroup is gone, and so are its processes.
  }
  for (const pid of pids.split("\n")) if (pid !== "") kill(Number(pid), "SIGKILL");
  thaw(dirname(procsFile));
}

/** What a control group of version 1 has frozen dies only when it goes on. */
function thaw(directory: string): void {
  try {
    writeFileSync(join(directory, "freezer.state"), "THAWED", { flag: "r+" });
  } catch {
    // Of another controller, or gone.
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}

function isSignal(name: string): name is NodeJS.Signals {
  return name in constants.signals;
}

function relay(source: Readable | null, type: typeof FRAME.stdout | typeof FRAME.stderr, socket: Socket, sources: Readable[]): void {
  if (source === null) return;
  sources.push(source);
  source.on("data", (chunk: Buffer) => {
    if (socket.destroyed || socket.write(encodeFrame(type, chunk))) return;
    for (const each of sources) each.pause();
  });
  source.on("error", () => source.destroy());
}

interface Started {
  readonly child: ChildProcess;
  /** Whether it outlives the connection. */
  keep(kept: boolean): void;
}

function start(request: SpawnRequest, socket: Socket): Started {
  const [file, ...args] = request.argv;
  const child = spawn(file ?? "", args, {
    cwd: request.cwd,
    env: request.env,
    detached: request.group,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const sources: Readable[] = [];
  relay(child.stdout, FRAME.stdout, socket, sources);
  relay(child.stderr, FRAME.stderr, socket, sources);
  socket.on("drain", () => {
    for (const each of sources) each.resume();
  });
  // Writing to a process that has closed its stdin is no fault of ours.
  child.stdin?.on("error", () => {});

  const killAll = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      kill(request.group ? -child.pid : child.pid, "SIGKILL");
    }
    for (const file of request.procsFiles) killCgroup(file);
  };
  let kept = false;
  running.add(killAll);

  child.on("spawn", () => socket.write(encodeFrame(FRAME.spawned, JSON.stringify({ pid: child.pid }))));
  child.on("error", (error) => {
    if (child.pid !== undefined) return; // A failed kill: the process is gone.
    running.delete(killAll);
    socket.end(encodeFrame(FRAME.failed, error.message));
  });
  child.on("exit", (code, signal) => {
    if (request.group && child.pid !== undefined) kill(-child.pid, "SIGKILL");
    const notice: ExitNotice = { id: request.id, code, signal };
    process.stdout.write(`${JSON.stringify(notice)}\n`);
    setTimeout(() => {
      for (const each of sources) each.destroy();
    }, STRAY_PIPES_MS).unref();
  });
  // Half-closes: what the process has left in its control groups lives until the host closes its side.
  child.on("close", () => socket.end());
  socket.on("close", () => {
    // The connection is the lease.
    running.delete(killAll);
    if (!kept) killAll();
    for (const each of sources) each.resume();
  });
  return {
    child,
    keep: (now) => {
      kept = now;
      if (kept) running.delete(killAll);
      else running.add(killAll);
    },
  };
}

function serve(socket: Socket): void {
  let started: Started | undefined;
  const decoder = new FrameDecoder((type, payload) => {
    const child = started?.child;
    if (type === FRAME.request && started === undefined) {
      started = start(JSON.parse(payload.toString()) as SpawnRequest, socket);
    } else if (type === FRAME.stdin) {
      if (payload.length === 0) child?.stdin?.end();
      else child?.stdin?.write(Buffer.from(payload));
    } else if (type === FRAME.keep) {
      started?.keep(payload.length > 0);
    } else if (type === FRAME.signal) {
      const name = payload.toString();
      if (isSignal(name)) child?.kill(name);
    }
  });
  socket.on("data", (chunk) => {
    try {
      decoder.push(chunk);
    } catch (error) {
      socket.end(encodeFrame(FRAME.failed, error instanceof Error ? error.message : String(error)));
    }
  });
  // The host never closes only one half: it has gone.
  socket.on("end", () => socket.destroy());
  socket.on("error", () => socket.destroy());
}

function endAll(): void {
  for (const killAll of running) killAll();
  process.exit(0);
}

const [, , socketPath] = process.argv;
if (socketPath === undefined) throw new Error("Usage: node launcher.js SOCKET_PATH");
// Ctrl-C in a terminal reaches the whole process group; the host decides what ends.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => {});
process.stdin.resume();
process.stdin.on("end", endAll);
process.stdin.on("error", endAll);
process.stdout.on("error", endAll);
createServer({ allowHalfOpen: true }, serve).listen(socketPath, () => process.stdout.write("ready\n"));
