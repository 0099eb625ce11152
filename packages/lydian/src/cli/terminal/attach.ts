// A process in a container at this terminal: what is typed goes there, what it prints comes here.
import type { ContainerProcess } from "../../sandbox/process.ts";
import type { PtySize } from "../../sandbox/pty.ts";

/** What `process` has. */
export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

type Process = Pick<ContainerProcess<Uint8Array>, "stdout" | "stderr" | "stdin" | "wait" | "kill" | "resize">;

/** The size of the terminal; undefined when this is none, or `wanted` says that none is. */
export function terminalSize({ stdin, stdout }: Streams, wanted: boolean | undefined): PtySize | undefined {
  const isTerminal = stdin.isTTY === true && stdout.isTTY === true;
  if (!(wanted ?? isTerminal)) return undefined;
  return { rows: stdout.rows || 24, columns: stdout.columns || 80 };
}

/**
 * Resolves to the exit code when the process has ended and all that it printed is written. `isTerminal`: it has a terminal, so keys go
 * there as they are, also Ctrl-C. The terminal is as it was before when this resolves or rejects.
 */
export async function attach(process: Process, streams: Streams, isTerminal: boolean): Promise<number> {
  const restore = isTerminal ? raw(process, streams) : interruptible(process);
  const stopInput = forward(streams.stdin, process);
  try {
    await Promise.all([copy(process.stdout, streams.stdout), copy(process.stderr, streams.stderr)]);
    return await process.wait();
  } finally {
    stopInput();
    restore();
  }
}

async function copy(from: AsyncIterable<Uint8Array>, to: NodeJS.WriteStream): Promise<void> {
  for await (const chunk of from) {
    if (!to.write(chunk)) await new Promise((resolve) => to.once("drain", resolve));
  }
}

/** Reads on only when what was read has arrived. */
function forward(stdin: NodeJS.ReadStream, process: Process): () => void {
  const ignore = () => undefined;
  const onData = (chunk: Buffer) => {
    stdin.pause();
    // When it reads no more, its end tells why.
    process.stdin.write(chunk).then(() => stdin.resume(), ignore);
  };
  const onEnd = () => void process.stdin.end().catch(ignore);
  stdin.on("data", onData);
  stdin.once("end", onEnd);
  return () => {
    stdin.off("data", onData);
    stdin.off("end", onEnd);
    stdin.pause();
    stdin.unref?.();
  };
}

function raw(process: Process, { stdin, stdout }: Streams): () => void {
  const wasRaw = stdin.isRaw === true;
  const onResize = () => void process.resize({ rows: stdout.rows, columns: stdout.columns }).catch(() => undefined);
  if (stdin.isTTY) stdin.setRawMode(true);
  stdout.on("resize", onResize);
  return () => {
    stdout.off("resize", onResize);
    if (stdin.isTTY) stdin.setRawMode(wasRaw);
  };
}

/** Ctrl-C is for the process there. A second one is for this program, too. */
function interruptible(remote: Process): () => void {
  const onInterrupt = () => void remote.kill("SIGINT").catch(() => undefined);
  process.once("SIGINT", onInterrupt);
  return () => process.off("SIGINT", onInterrupt);
}
