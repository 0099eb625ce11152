// The server's own process, the child of the supervisor.
import { startServer } from "@lydian/server";
import { LAUNCHER_FILE, RUNTIME_DIR } from "../dist-files.ts";
import { EXIT } from "../exit.ts";
import type { ReadyMessage, ServeOptions } from "./options.ts";

/** Runs until a signal, the end of the parent or idleness stops it. Never returns: the process ends. */
export async function runServerProcess(options: ServeOptions & { readonly fd?: number }): Promise<never> {
  let stop: (() => void) | undefined;
  const asked = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const onAsked = () => stop?.();
  process.on("SIGINT", onAsked);
  process.on("SIGTERM", onAsked);
  // The parent holds the socket: without it there is nobody to serve.
  process.on("disconnect", onAsked);
  const server = await startServer({ ...options, runtimeDir: RUNTIME_DIR, launcherProgram: LAUNCHER_FILE });
  const ready: ReadyMessage = { type: "ready", socketUrl: server.socketUrl };
  process.send?.(ready);
  await asked;
  await server.stop();
  // All is stored; the channel to the parent, for one, would keep this process alive.
  process.exit(EXIT.ok);
}
