// Joins a connection from outside with one into a container, each direction at the pace of its reader and with an end of its own.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A connection on which nothing comes and nothing goes is closed after this. */
export const IDLE_MS = 3_600_000;
/** How long a program inside may take to read what is left when the outside has gone. */
const LAST_WORDS_MS = 60_000;
const KEEP_ALIVE_MS = 60_000;

export function relay(outside: Socket, inside: Duplex): void {
  outside.setNoDelay(true);
  // Finds out about peers that vanished.
  outside.setKeepAlive(true, KEEP_ALIVE_MS);
  outside.setTimeout(IDLE_MS, () => outside.destroy());
  for (const [from, to] of [
    [outside, inside],
    [inside, outside],
  ] as const) {
    from.on("error", () => to.destroy());
    from.on("close", () => {
      // What came until its end may still be on its way.
      if (!from.readableEnded) to.destroy();
    });
    from.pipe(to);
  }
  outside.on("close", () => {
    if (inside.destroyed) return;
    const timer = setTimeout(() => inside.destroy(), LAST_WORDS_MS).unref();
    inside.on("close", () => clearTimeout(timer));
  });
}
