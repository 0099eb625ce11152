// A client whose answer got lost sends its request again, with the same `x-idempotency-key`. What the first one created
// is remembered with it, in the same commit, so that the second finds it: also after a restart in between.
import type { Database } from "./database.ts";

/** A request that is repeated after this long is a new request. Clients give up within minutes. */
const KEEP_MS = 3_600_000;

/**
 * To be called inside a `commit`. Returns the id that an earlier request with this key was given, or remembers `objectId`
 * for later ones and returns it. `scope` is the operation and the workspace; an empty key makes every request a new one.
 */
export function claimKey(database: Database, scope: string, key: string, objectId: string, now: number): string {
  if (key === "") return objectId;
  database.prepare("DELETE FROM idempotency_keys WHERE created_at < ?").run(now - KEEP_MS);
  const known = database
    .prepare("SELECT object_id AS id FROM idempotency_keys WHERE scope = ? AND key = ?")
    .get<{ id: string }>(scope, key);
  if (known) return known.id;
  database.prepare("INSERT INTO idempotency_keys (scope, key, object_id, created_at) VALUES (?, ?, ?, ?)").run(scope, key, objectId, now);
  return objectId;
}
