import { LydianError } from "@lydian/protocol";
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
  /** Of the current deployment; 0 when there was none. */
  readonly version: number;
  /** 0: never. */
  readonly deployedAt: number;
  readonly deployedBy: string;
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
  readonly version: number;
  readonly deployed_at: number | null;
  readonly deployed_by: string;
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

  /** The deployed app of this name, or the last one that was. */
  byName(environmentId: string, name: string): AppRecord | undefined {
    const row = this.#database
      .prepare(
        "SELECT * FROM apps WHERE environment_id = ? AND name = ? AND deployed_at IS NOT NULL ORDER BY state <> 'deployed', stopped_at IS NOT NULL, stopped_at DESC, id DESC LIMIT 1",
      )
      .get<AppRow>(environmentId, name);
    return row && recordOf(row);
  }

  /**
   * Creates the app, unless a request with this key has created one already, or, of a deployed one, an app has its name.
   * Returns the id of the app of the request.
   */
  insert(record: AppRecord, key: string): Promise<string> {
    const { id, workspaceId, environmentId, name, description, state, createdAt, createdBy, tags, deployedAt, deployedBy } = record;
    return this.#database.commit(() => {
      const named = state === "deployed" ? this.byName(environmentId, name) : undefined;
      if (named?.state === "deployed") return named.id;
      const claimed = claimKey(this.#database, `AppCreate/${workspaceId}`, key, id, createdAt);
      if (claimed !== id) return claimed;
      this.#database
        .prepare(
          "INSERT INTO apps (id, workspace_id, environment_id, name, description, state, created_at, created_by, tags, deployed_at, deployed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(
          id,
          workspaceId,
          environmentId,
          name,
          description,
          state,
          createdAt,
          createdBy,
          JSON.stringify(tags),
          deployedAt || null,
          deployedBy,
        );
      return id;
    });
  }

  /** Runs `change` on what is stored, in the commit that stores its result. */
  change(id: string, change: (before: AppRecord) => AppRecord): Promise<AppRecord> {
    return this.#database.commit(() => {
      const before = this.get(id);
      if (before === undefined) throw new LydianError("not_found", `There is no app ${JSON.stringify(id)}.`);
      const after = change(before);
      this.#database
        .prepare(
          "UPDATE apps SET name = ?, state = ?, stopped_at = ?, stop_reason = ?, tags = ?, version = ?, deployed_at = ?, deployed_by = ? WHERE id = ?",
        )
        .run(
          after.name,
          after.state,
          after.stoppedAt || null,
          after.stopReason,
          JSON.stringify(after.tags),
          after.version,
          after.deployedAt || null,
          after.deployedBy,
          id,
        );
      return after;
    });
  }

  /** In a commit: takes the name from another app that is deployed under it, which is being stopped from then on. */
  takeName({ id, environmentId, name }: AppRecord, reason: string): AppRecord | undefined {
    const former = this.byName(environmentId, name);
    if (former === undefined || former.id === id || former.state !== "deployed") return undefined;
    this.#database.prepare("UPDATE apps SET state = 'stopping', stop_reason = ? WHERE id = ?").run(reason, former.id);
    return { ...former, state: "stopping", stopReason: reason };
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
  version: row.version,
  deployedAt: row.deployed_at ?? 0,
  deployedBy: row.deployed_by,
});
