// Tells the server that this container lives, and hears which inputs were cancelled: the server holds each beat until there is such news.

import { setTimeout as sleep } from "node:timers/promises";
import type { ControlPlane } from "./control-plane.ts";

/** The server answers within 15 s; longer silence is a lost connection. */
const ANSWER_LIMIT_MS = 30_000;
const MIN_INTERVAL_MS = 1_000;

export interface HeartbeatOptions {
  readonly client: ControlPlane;
  readonly signal: AbortSignal;
  /** Cancels those of these inputs that run here. Returns whether there were any. */
  readonly cancel: (inputIds: readonly string[]) => boolean;
}

/** Runs until the signal is aborted. Failures are tried again: the input loop decides when the server counts as gone. */
export async function heartbeat({ client, signal, cancel }: HeartbeatOptions): Promise<void> {
  while (!signal.aborted) {
    const startedAt = Date.now();
    let news = false;
    try {
      const { cancelInputEvent } = await client.containerHeartbeat(
        { canceledInputsReturnOutputsV2: true },
        { signal, timeoutMs: ANSWER_LIMIT_MS, retry: false },
      );
      if (cancelInputEvent) news = cancel(cancelInputEvent.inputIds);
    } catch {
      if (signal.aborted) return;
    }
    const restMs = MIN_INTERVAL_MS - (Date.now() - startedAt);
    if (!news && restMs > 0) await sleep(restMs, undefined, { signal, ref: false }).catch(() => {});
  }
}
