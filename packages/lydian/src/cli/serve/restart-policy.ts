// When to start a crashed server again. Pure: the times of its crashes in, a delay out.

export const CRASH_WINDOW_MS = 60_000;
export const MAX_CRASHES = 5;

/**
 * Milliseconds to wait before the next start, undefined to give up. `crashes` are the times of all crashes so far, the
 * last one included. The first is healed at once: callers are waiting on the socket.
 */
export function restartDelayMs(crashes: readonly number[], now: number): number | undefined {
  const recent = crashes.filter((at) => now - at < CRASH_WINDOW_MS).length;
  if (recent > MAX_CRASHES) return undefined;
  return recent <= 1 ? 0 : Math.min(10_000, 250 * 2 ** (recent - 2));
}
