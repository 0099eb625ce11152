// While an app runs: its heartbeat, its log, its pools.
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../client.ts";
import type { RunEvent } from "./events.ts";

const HEARTBEAT_MS = 15_000;
const HOLD_SECONDS = 55;
const PAUSE_MS = 500;

/** Until the signal is aborted. A heartbeat that fails is followed by the next one. */
export async function sendHeartbeats(client: Client, appId: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await client.modal.appHeartbeat({ appId }, { signal, timeoutMs: HEARTBEAT_MS }).catch(() => undefined);
    await sleep(HEARTBEAT_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Resolves when the app is done and every line was told, or the signal is aborted. */
export async function followLogs(client: Client, appId: string, onEvent: (event: RunEvent) => void, signal: AbortSignal): Promise<void> {
  let lastEntryId = "";
  while (!signal.aborted) {
    try {
      for await (const batch of client.modal.appGetLogs({ appId, timeout: HOLD_SECONDS, lastEntryId }, { signal })) {
        if (batch.entryId !== "") lastEntryId = batch.entryId;
        for (const { data, fileDescriptor } of batch.items) {
          if (data !== "")
            onEvent({
              type: "log",
              fd: fileDescriptor === 2 ? 2 : fileDescriptor === 3 ? 3 : 1,
              text: data,
              taskId: batch.taskId,
              functionId: batch.functionId,
            });
        }
        if (batch.appDone) return;
      }
    } catch {
      await sleep(PAUSE_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

/** Resolves when the app is stopped or the signal is aborted. What breaks is begun again. */
export async function watchPools(client: Client, appId: string, onEvent: (event: RunEvent) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const { pools, started } of client.lydian.appWatch({ appId }, { signal })) onEvent({ type: "pools", pools, started });
    } catch {
      // The server is away or does not know the app any more: the log decides when the run is over.
    }
    await sleep(PAUSE_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
