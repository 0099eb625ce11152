import type { Database } from "../database/database.ts";
import { claimKey } from "../database/idempotency.ts";
import type { SandboxResult } from "./results.ts";

export interface SandboxRecord {
  readonly id: string;
  readonly taskId: string;
  readonly workspaceId: string;
  readonly environmentId: string;
  readonly appId: string;
  /** Empty: it has none. */
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly imageId: string;
  readonly createdAt: number;
  /** 0 while it lives. */
  readonly finishedAt: number;
  /** Undefined while it lives. */
  readonly result: SandboxResult | undefined;
}

interface SandboxRow {
  readonly id: string;
  readonly task_id: string;
  readonly workspace_id: string;
  readonly environment_id: string;
  readonly app_id: string;
  readonly name: string;
  readonly tags: string;
  readonly image_id: string;
  readonly created_at: number;
  readonly finished_at: number | null;
  readonly status: number | null;
  readonly exit_code: number | null;
  readonly exception: string | null;
}

const COLUMNS =
  "id, task_id, workspace_id, environment_id, app_id, name, tags, image_id, created_at, finished_at, status, exit_code, exception";

export class SandboxStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): SandboxRecord | undefined {
    return this.#one(`SELECT ${COLUMNS} FROM sandboxes WHERE id = ?`, id);
  }

  byTask(taskId: string): SandboxRecord | undefined {
    return this.#one(`SELECT ${COLUMNS} FROM sandboxes WHERE task_id = ?`, taskId);
  }

  /** The latest that had the name. */
  byName(appId: string, name: string): SandboxRecord | undefined {
    return this.#one(`SELECT ${COLUMNS} FROM sandboxes WHERE app_id = ? AND name = ? ORDER BY created_at DESC LIMIT 1`, appId, name);
  }

  /** The id that an earlier request with this key was given, or that of the record, which is stored then. */
  insert(record: SandboxRecord, idempotencyKey: string): Promise<string> {
    return this.#database.commit(() => {
      const { id, taskId, workspaceId, environmentId, appId, name, tags, imageId, createdAt } = record;
      const claimed = claimKey(this.#database, `SandboxCreate/${workspaceId}`, idempotencyKey, id, createdAt);
      if (claimed !== id) return claimed;
      this.#database
        .prepare(
          `INSERT INTO sandboxes (id, task_id, workspace_id, environment_id, app_id, name, tags, image_id, created_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(id, taskId, workspaceId, environmentId, appId, name, JSON.stringify(tags), imageId, createdAt);
      return id;
    });
  }

  finish(id: string, { status, exitCode, exception }: SandboxResult, at: number): Promise<unknown> {
    return this.#database.commit(() =>
      this.#database
        .prepare("UPDATE sandboxes SET finished_at = ?, status = ?, exit_code = ?, exception = ? WHERE id = ? AND finished_at IS NULL")
        .run(at, status, exitCode, exception, id),
    );
  }

  /** Those that an earlier process did not see end, oldest first. */
  unfinished(): SandboxRecord[] {
    return this.#database
      .prepare(`SELECT ${COLUMNS} FROM sandboxes WHERE finished_at IS NULL ORDER BY created_at`)
      .all<SandboxRow>()
      .map(recordOf);
  }

  /** Drops those that ended before this time, and all but the `most` that were created last. What lives stays. */
  prune(endedBefore: number, most: number): Promise<unknown> {
    return this.#database.commit(() => {
      this.#database.prepare("DELETE FROM sandboxes WHERE finished_at < ?").run(endedBefore);
      const { count } = this.#database.prepare("SELECT count(*) AS count FROM sandboxes").get<{ count: number }>() ?? { count: 0 };
      if (count <= most) return;
      this.#database
        .prepare("DELETE FROM sandboxes WHERE id IN (SELECT id FROM sandboxes WHERE finished_at IS NOT NULL ORDER BY created_at LIMIT ?)")
        .run(count - most);
    });
  }

  setTags(id: string, tags: Readonly<Record<string, string>>): Promise<unknown> {
    return this.#database.commit(() => this.#database.prepare("UPDATE sandboxes SET tags = ? WHERE id = ?").run(JSON.stringify(tags), id));
  }

  setName(id: string, name: string): Promise<unknown> {
    return this.#database.commit(() => this.#database.prepare("UPDATE sandboxes SET name = ? WHERE id = ?").run(name, id));
  }

  #one(sql: string, ...values: string[]): SandboxRecord | undefined {
    const row = this.#database.prepare(sql).get<SandboxRow>(...values);
    return row && recordOf(row);
  }
}

function recordOf(row: SandboxRow): SandboxRecord {
  const result = row.status === null ? undefined : { status: row.status, exitCode: row.exit_code ?? 0, exception: row.exception ?? "" };
  return {
    id: row.id,
    taskId: row.task_id,
    workspaceId: row.workspace_id,
    environmentId: row.environment_id,
    appId: row.app_id,
    name: row.name,
    tags: JSON.parse(row.tags) as Record<string, string>,
    imageId: row.image_id,
    createdAt: row.created_at,
    finishedAt: row.finished_at ?? 0,
    result,
  };
}
