// The server's own process, the child of the supervisor.
import { startServer } from "@lydian/server";
import { RUNTIME_DIR } from "../dist-files.ts";
import { EXIT } from "../exit.ts";
import { untilIdle } from "./idle-exit.ts";
import type { ReadyMessage, ServeOptions } from "./options.ts";

/** Runs until a signal, the end of the parent or idleness stops it. Resolves to the exit code. */
export async function runServerProcess({ idleExitMs, ...options }: ServeOptions & { readonly fd?: number }): Promise<number> {
  const asked = new AbortController();
  const onAsked = () => asked.abort();
  process.on("SIGINT", onAsked);
  process.on("SIGTERM", onAsked);
  // The parent holds the socket: without it there is nobody to serve.
  process.on("disconnect", onAsked);
  const server = await startServer({ ...options, runtimeDir: RUNTIME_DIR });
  const ready: ReadyMessage = { type: "ready", socketUrl: server.socketUrl };
  if (process.connected) process.send?.(ready);
  await Promise.race([aborted(asked.signal), idle(idleExitMs, options.dataDir, server.socketUrl, asked.signal)]);
  await server.stop();
  return EXIT.ok;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Never settles without a limit. A watch that fails leaves the server running: it is of use, only not tidy. */
async function idle(idleExitMs: number | undefined, dataDir: string, socketUrl: string, signal: AbortSignal): Promise<void> {
  if (idleExitMs !== undefined) {
    try {
      return await untilIdle({ dataDir, socketUrl, idleExitMs, signal });
    } catch (error) {
      if (!signal.aborted) process.stderr.write(`lydian: cannot watch for idleness, staying: ${(error as Error).message}\n`);
    }
  }
  await aborted(signal);
}
