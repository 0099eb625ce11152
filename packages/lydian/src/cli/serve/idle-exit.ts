// Ends the embedded server when nobody needs it. Asks the server like any client: it needs to know nothing of this.
import { setTimeout as delay } from "node:timers/promises";
import { connect, ModalClient } from "@lydian/protocol";
import { readLocalToken } from "../../config/local-token.ts";
import { readServerRecord, writeServerRecord } from "../../config/server-record.ts";
import { idleMs } from "./idle-policy.ts";
import { hasLeases } from "./leases.ts";

export interface IdleOptions {
  readonly dataDir: string;
  readonly socketUrl: string;
  readonly idleExitMs: number;
  readonly signal: AbortSignal;
}

/** Resolves once the server has been idle for long enough and has said that it is leaving; rejects when aborted. */
export async function untilIdle({ dataDir, socketUrl, idleExitMs, signal }: IdleOptions): Promise<void> {
  const startedAt = Date.now();
  const { id, secret } = readLocalToken(dataDir);
  const connection = connect({ url: socketUrl, headers: { "x-modal-token-id": id, "x-modal-token-secret": secret } });
  const modal = connection.service(ModalClient);
  const idleForMs = async () => {
    const { items } = await modal.environmentList({}, { signal });
    const lists = await Promise.all(items.map(({ name }) => modal.appList({ environmentName: name }, { signal })));
    return idleMs(
      lists.flatMap((list) => list.apps),
      startedAt,
      Date.now(),
    );
  };
  try {
    for (;;) {
      const leftMs = idleExitMs - (await idleForMs());
      if (leftMs <= 0 && sayLeaving(dataDir)) {
        // Once more: an app may have been made before the word was out.
        if ((await idleForMs()) >= idleExitMs) return;
        sayStaying(dataDir);
      }
      await delay(Math.max(leftMs, Math.min(idleExitMs, 250)), undefined, { signal });
    }
  } finally {
    await connection.close();
  }
}

/** False, and nothing said, when a command holds a lease. */
function sayLeaving(dataDir: string): boolean {
  const record = readServerRecord(dataDir);
  if (!record) return false;
  writeServerRecord(dataDir, { ...record, leaving: true });
  if (!hasLeases(dataDir)) return true;
  writeServerRecord(dataDir, record);
  return false;
}

function sayStaying(dataDir: string): void {
  const record = readServerRecord(dataDir);
  if (record) writeServerRecord(dataDir, { ...record, leaving: false });
}
