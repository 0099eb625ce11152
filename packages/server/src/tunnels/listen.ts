import type { Server } from "node:net";
import { LydianError } from "@lydian/protocol";
import type { PortRange } from "./settings.ts";

/** More than this are not tried: a range that is so full is too small. */
const MAX_TRIES = 2_000;
/** Somebody else has the port, or this user may not. */
const NEXT: ReadonlySet<string> = new Set(["EADDRINUSE", "EACCES"]);

/** Listens on the first free port of the range, beginning at `first`, after the last at the first. Returns it. */
export async function listenWithin(server: Server, host: string, { from, to }: PortRange, first: number): Promise<number> {
  const count = to - from + 1;
  for (let tried = 0; tried < Math.min(count, MAX_TRIES); tried += 1) {
    const port = from + ((first - from + tried) % count);
    if (await listens(server, host, port)) return port;
  }
  throw new LydianError("resource_exhausted", `No port from ${from} to ${to} is free on ${host} for a tunnel.`, {
    hint: "Give the server a larger range (--tunnel-ports).",
  });
}

/** False when the port is taken. */
export function listens(server: Server, host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const done = () => server.off("error", onError).off("listening", onListening);
    const onError = (error: NodeJS.ErrnoException) => {
      done();
      if (NEXT.has(error.code ?? "")) resolve(false);
      else reject(new LydianError("unavailable", `Tunnels cannot listen on ${host}:${port}: ${error.message}.`, { cause: error }));
    };
    const onListening = () => {
      done();
      server.on("error", () => {});
      server.unref();
      resolve(true);
    };
    server.on("error", onError).on("listening", onListening);
    server.listen({ host, port, backlog: 1_024 });
  });
}
