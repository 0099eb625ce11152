// Programs of the machine that make layers: mmdebstrap, npm, tar, mknod.
import { spawn } from "node:child_process";
import { ImageError } from "./errors.ts";
import { LastLines, LineSplitter } from "./log-lines.ts";

export interface HostCommandOptions {
  readonly signal?: AbortSignal;
  readonly cwd?: string;
  /** Replaces the whole environment. Default: the process's own. */
  readonly env?: NodeJS.ProcessEnv;
  readonly stdin?: Uint8Array;
  readonly onLine?: (stream: "stdout" | "stderr", line: string) => void;
  /** Names the command in messages. Default `program`. */
  readonly title?: string;
  /** The command is killed after this long. */
  readonly timeoutMs: number;
}

/** Output kept for the caller; what goes beyond is an error, not a memory problem. */
const MAX_STDOUT = 16 * 2 ** 20;

/** Runs a program to its end and returns its standard output; throws with its last lines when it fails. */
export async function runHostCommand(program: string, args: readonly string[], options: HostCommandOptions): Promise<string> {
  const title = options.title ?? program;
  const last = new LastLines(20);
  const chunks: Buffer[] = [];
  let size = 0;
  const splitters = (["stdout", "stderr"] as const).map(
    (stream) =>
      new LineSplitter((line) => {
        last.push(line);
        options.onLine?.(stream, line);
      }),
  );
  // A process group of its own, so that a cancelled mmdebstrap takes its apt and dpkg with it.
  const child = spawn(program, args, {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  const kill = (): void => {
    if (child.pid === undefined || child.exitCode !== null) return;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It ended in the meantime.
    }
  };
  let timedOut = false;
  options.signal?.addEventListener("abort", kill, { once: true });
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, options.timeoutMs);
  timer.unref();
  try {
    if (options.signal?.aborted) kill();
    child.stdin.on("error", () => {}); // It may end without reading; its exit code tells.
    child.stdin.end(options.stdin ?? Buffer.alloc(0));
    child.stdout.on("data", (chunk: Buffer) => {
      splitters[0]?.write(chunk);
      size += chunk.length;
      if (size <= MAX_STDOUT) chunks.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => splitters[1]?.write(chunk));
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (exitCode, exitSignal) => resolve([exitCode, exitSignal]));
    });
    for (const splitter of splitters) splitter.end();
    if (options.signal?.aborted) throw new ImageError("cancelled", "The image build was cancelled.", { cause: options.signal.reason });
    if (timedOut)
      throw new ImageError("unreachable", `${title} did not finish within ${options.timeoutMs / 1000} s. Its last output:\n${last}`);
    if (code !== 0)
      throw new ImageError("unreachable", `${title} failed (${code === null ? signal : `exit code ${code}`}). Its last output:\n${last}`);
    if (size > MAX_STDOUT) throw new ImageError("corrupt", `${title} printed ${size} bytes; at most ${MAX_STDOUT} are expected.`);
    return Buffer.concat(chunks).toString("utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new ImageError("unsupported", `${program} is not installed on this machine.`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", kill);
  }
}
