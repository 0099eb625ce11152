import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** Runs a command to its end and returns what it printed. */
export async function output(command: string, ...args: string[]): Promise<string> {
  return (await exec(command, args, { maxBuffer: 64 << 20 })).stdout;
}

/** A directory that is removed when the scope is left: declare it before the services that write to it. */
export async function tempDir(prefix: string): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

export interface Service extends AsyncDisposable {
  readonly process: ChildProcess;
}

/** Starts a server process that is ended when the scope is left. */
export function service(
  command: string,
  args: readonly string[],
  { onLine, ...options }: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv; onLine?: (line: string) => void } = {},
): Service {
  const said = onLine ? "pipe" : process.env.BENCH_DEBUG ? "inherit" : "ignore";
  const child = spawn(command, args, { stdio: ["ignore", "ignore", said], ...options });
  if (onLine && child.stderr) createInterface({ input: child.stderr }).on("line", onLine);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  return {
    process: child,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Resolves when something accepts connections; rejects after `boundMs`. */
export async function accepting(at: { port: number } | { path: string }, boundMs = 20_000): Promise<void> {
  const until = Date.now() + boundMs;
  for (;;) {
    const ok = await new Promise<boolean>((resolve) => {
      const socket = connect({ ...at, ...("port" in at ? { host: "127.0.0.1" } : {}) });
      socket.once("connect", () => {
        resolve(true);
        socket.destroy();
      });
      socket.once("error", () => resolve(false));
    });
    if (ok) return;
    if (Date.now() > until) throw new Error(`nothing accepts connections at ${JSON.stringify(at)} after ${boundMs} ms`);
    await sleep(50);
  }
}
