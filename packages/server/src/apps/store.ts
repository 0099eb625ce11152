import type { Database } from "../database/database.ts";
import { claimKey } from "../database/idempotency.ts";
import type { AppState } from "./app-state.ts";

export interface AppRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly environmentId: string;
  readonly name: string;
  readonly description: string;
  readonly state: AppState;
  readonly createdAt: number;
  readonly createdBy: string;
  /** 0 while it lives. */
  readonly stoppedAt: number;
  readonly stopReason: string;
  readonly tags: Readonly<Record<string, string>>;
}

interface AppRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly environment_id: string;
  readonly name: string;
  readonly description: string;
  readonly state: AppState;
  readonly created_at: number;
  readonly created_by: string;
  readonly stopped_at: number | null;
  readonly stop_reason: string | null;
  readonly tags: string;
}

const LIST_LIMIT = 200;

export class AppStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): AppRecord | undefined {
    const row = this.#database.prepare("SELECT * FROM apps WHERE id = ?").get<AppRow>(id);
    return row && recordOf(row);
  }

  live(): AppRecord[] {
    return this.#database.prepare("SELECT * FROM apps WHERE state <> 'stopped'").all<AppRow>().map(recordOf);
  }

  /** Those that live, then the newest of the others. */
  list(environmentId: string): AppRecord[] {
    return this.#database
      .prepare("SELECT * FROM apps WHERE environment_id = ? ORDER BY state = 'stopped', created_at DESC LIMIT ?")
      .all<AppRow>(environmentId, LIST_LIMIT)
      .map(recordOf);
  }

  /**
   * Creates the app, unless a request with this key has created one already. Returns the id of the app of the request.
   */
  insert(record: AppRecord, key: string): Promise<string> {
    const { id, workspaceId, environmentId, name, description, state, createdAt, createdBy, tags } = record;
    return this.#database.commit(() => {
      const claimed = claimKey(this.#database, `AppCreate/${workspaceId}`, key, id, createdAt);
      if (claimed !== id) return claimed;
      this.#database
        .prepare(
          "INSERT INTO apps (id, workspace_id, environment_id, name, description, state, created_at, created_by, tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(id, workspaceId, environmentId, name, description, state, createdAt, createdBy, JSON.stringify(tags));
      return id;
    });
  }

  async update({ id, name, state, stoppedAt, stopReason }: AppRecord): Promise<void> {
    await this.#database.commit(() =>
      this.#database
        .prepare("UPDATE apps SET name = ?, state = ?, stopped_at = ?, stop_reason = ? WHERE id = ?")
        .run(name, state, stoppedAt || null, stopReason, id),
    );
  }
}

const recordOf = (row: AppRow): AppRecord => ({
  id: row.id,
  workspaceId: row.workspace_id,
  environmentId: row.environment_id,
  name: row.name,
  description: row.description,
  state: row.state,
  createdAt: row.created_at,
  createdBy: row.created_by,
  stoppedAt: row.stopped_at ?? 0,
  stopReason: row.stop_reason ?? "",
  tags: JSON.parse(row.tags) as Record<string, string>,
});
