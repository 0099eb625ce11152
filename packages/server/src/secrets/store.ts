import { LydianError } from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import { claimKey } from "../database/idempotency.ts";

export interface SecretRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly environmentId: string;
  /** Empty for one of an app, and for one that lasts a day. */
  readonly name: string;
  /** Empty for one with a name, and for one that lasts a day. */
  readonly appId: string;
  readonly keys: readonly string[];
  readonly createdAt: number;
  /** 0: never. */
  readonly lastUsedAt: number;
}

export interface SealedVariables {
  readonly keys: readonly string[];
  readonly sealed: Uint8Array;
}

interface SecretRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly environment_id: string;
  readonly name: string | null;
  readonly app_id: string | null;
  readonly keys: string;
  readonly created_at: number;
  readonly last_used_at: number | null;
}

const COLUMNS = "id, workspace_id, environment_id, name, app_id, keys, created_at, last_used_at";

export class SecretStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): SecretRecord | undefined {
    const row = this.#database.prepare(`SELECT ${COLUMNS} FROM secrets WHERE id = ?`).get<SecretRow>(id);
    return row && recordOf(row);
  }

  byName(environmentId: string, name: string): SecretRecord | undefined {
    const sql = `SELECT ${COLUMNS} FROM secrets WHERE environment_id = ? AND name = ?`;
    const row = this.#database.prepare(sql).get<SecretRow>(environmentId, name);
    return row && recordOf(row);
  }

  /** With names, made before a time, newest first. */
  list(environmentId: string, createdBefore: number, limit: number): SecretRecord[] {
    const sql = `SELECT ${COLUMNS} FROM secrets WHERE environment_id = ? AND name IS NOT NULL AND created_at < ? ORDER BY created_at DESC, id LIMIT ?`;
    return this.#database.prepare(sql).all<SecretRow>(environmentId, createdBefore, limit).map(recordOf);
  }

  sealed(id: string): Uint8Array | undefined {
    return this.#database.prepare("SELECT sealed FROM secrets WHERE id = ?").get<{ sealed: Uint8Array }>(id)?.sealed;
  }

  /** The id that an earlier request with this key was given, or that of the record, which is stored then. */
  insert(record: SecretRecord, sealed: Uint8Array, idempotencyKey: string): Promise<string> {
    return this.#database.commit(() => {
      const { id, workspaceId, environmentId, name, appId, keys, createdAt } = record;
      const claimed = claimKey(this.#database, `SecretGetOrCreate/${workspaceId}`, idempotencyKey, id, createdAt);
      if (claimed !== id) return claimed;
      this.#database
        .prepare(
          "INSERT INTO secrets (id, workspace_id, environment_id, name, app_id, keys, sealed, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(id, workspaceId, environmentId, name || null, appId || null, JSON.stringify(keys), sealed, createdAt);
      return id;
    });
  }

  /** Gives `change` what is there in the very transaction that writes its result, so that of changes at the same time none is lost. */
  update(id: string, change: (sealed: Uint8Array) => SealedVariables): Promise<readonly string[]> {
    return this.#database.commit(() => {
      const before = this.sealed(id);
      if (before === undefined) throw new LydianError("not_found", `The secret ${id} no longer exists.`);
      const { keys, sealed } = change(before);
      this.#database.prepare("UPDATE secrets SET keys = ?, sealed = ? WHERE id = ?").run(JSON.stringify(keys), sealed, id);
      return keys;
    });
  }

  used(ids: readonly string[], at: number): Promise<unknown> {
    return this.#database.commit(() => {
      for (const id of ids) this.#database.prepare("UPDATE secrets SET last_used_at = ? WHERE id = ?").run(at, id);
    });
  }

  delete(id: string): Promise<unknown> {
    return this.#database.commit(() => this.#database.prepare("DELETE FROM secrets WHERE id = ?").run(id));
  }

  /** Those with neither a name nor an app, made before a time. */
  deleteUnowned(createdBefore: number): Promise<unknown> {
    const sql = "DELETE FROM secrets WHERE name IS NULL AND app_id IS NULL AND created_at < ?";
    return this.#database.commit(() => this.#database.prepare(sql).run(createdBefore));
  }

  deleteOfApp(appId: string): Promise<unknown> {
    return this.#database.commit(() => this.#database.prepare("DELETE FROM secrets WHERE app_id = ?").run(appId));
  }
}

function recordOf(row: SecretRow): SecretRecord {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    environmentId: row.environment_id,
    name: row.name ?? "",
    appId: row.app_id ?? "",
    keys: JSON.parse(row.keys) as string[],
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at ?? 0,
  };
}
