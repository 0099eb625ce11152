// A stream of bytes that outlives its connections: what breaks off is gone on with from the byte where it broke off.
import { setTimeout as sleep } from "node:timers/promises";
import { LydianError } from "../errors.ts";

export interface Chunk {
  readonly data: Uint8Array;
  /** Where it begins, if the server says so. */
  readonly startingOffset?: bigint | undefined;
}

export interface ResumedOptions {
  /** For messages, e.g. "the output of ex-1". */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that the server had to drop. */
  readonly onGap?: (bytes: number) => void;
}

const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 1_000;
/** Without one byte more. */
const GIVE_UP_MS = 60_000;

/** Rejects with the last failure when nothing has come for a minute of trying, and at once with one that trying again cannot help. */
export async function* resumed(
  open: (offset: number, signal: AbortSignal | undefined) => AsyncIterable<Chunk>,
  { what, signal, onGap }: ResumedOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = 0;
  let breaks = 0;
  let brokenSince = 0;
  for (;;) {
    try {
      for await (const { data, startingOffset } of open(offset, signal)) {
        breaks = 0;
        const start = startingOffset === undefined ? offset : Number(startingOffset);
        if (start > offset) onGap?.(start - offset);
        // A server may begin before what was asked for, where its chunk begins.
        const fresh = start < offset ? data.subarray(offset - start) : data;
        offset = Math.max(offset, start + data.length);
        if (fresh.length > 0) yield fresh;
      }
      return;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (!isBroken(error)) throw error;
      breaks++;
      if (breaks === 1) brokenSince = performance.now();
      if (performance.now() - brokenSince > GIVE_UP_MS) throw gaveUp(error, what, offset, breaks);
      await sleep(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(breaks - 1, 10)), undefined, signal ? { signal } : {}).catch(() => {
        throw signal?.reason;
      });
    }
  }
}

/** Ends of a connection, not of what it was about. */
function isBroken(error: unknown): error is LydianError {
  return LydianError.is(error) && (error.retryable || error.code === "cancelled" || error.code === "deadline_exceeded");
}

function gaveUp(error: LydianError, what: string, offset: number, breaks: number): LydianError {
  return new LydianError(
    "unavailable",
    `The connection for ${what} broke at byte ${offset} and could not be made again ` +
      `(tried ${breaks} times in ${GIVE_UP_MS / 1000} s): ${error.message}`,
    { cause: error },
  );
}
