import type { Database } from "../database/database.ts";
import type { LogEntry, LogFilter } from "./logs.ts";

export interface StoredLog {
  readonly entryId: number;
  readonly taskId: string;
  readonly functionId: string;
  readonly callId: string;
  readonly inputId: string;
  readonly imageId: string;
  readonly fd: number;
  readonly at: number;
  readonly text: string;
}

/** A deletion blocks everyone for as long as it takes. */
const CHUNK = 5_000;
/** So that an app at its limit does not cost a deletion per line. */
const MIN_DELETED = 100;

const SELECT = `SELECT entry_id AS entryId, task_id AS taskId, function_id AS functionId, call_id AS callId, input_id AS inputId,
  image_id AS imageId, fd, at, text FROM logs
  WHERE app_id = ? AND entry_id > ? AND (? = '' OR task_id = ?) AND (? = '' OR function_id = ?) AND (? = '' OR call_id = ?)
  AND (? = '' OR input_id = ?) AND (? = 0 OR fd = ?) ORDER BY entry_id LIMIT ?`;

export class LogStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async insert(entries: readonly LogEntry[]): Promise<void> {
    const insert = this.#database.prepare(
      "INSERT INTO logs (app_id, task_id, function_id, call_id, input_id, image_id, fd, at, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    await this.#database.commit(() => {
      for (const entry of entries) {
        const { appId, taskId = "", functionId = "", callId = "", inputId = "", imageId = "", fd, at, text } = entry;
        insert.run(appId, taskId, functionId, callId, inputId, imageId, fd, at, text);
      }
    });
  }

  after(appId: string, entryId: number, filter: LogFilter, limit: number): StoredLog[] {
    const { taskId = "", functionId = "", callId = "", inputId = "", fd = 0 } = filter;
    return this.#database
      .prepare(SELECT)
      .all<StoredLog>(appId, entryId, taskId, taskId, functionId, functionId, callId, callId, inputId, inputId, fd, fd, limit);
  }

  /** Of all apps. */
  newest(): number {
    return this.#database.prepare("SELECT MAX(entry_id) AS id FROM logs").get<{ id: number | null }>()?.id ?? 0;
  }

  measure(appId: string): { lines: number; bytes: number } {
    const sql = "SELECT COUNT(*) AS lines, COALESCE(SUM(octet_length(text)), 0) AS bytes FROM logs WHERE app_id = ?";
    return this.#database.prepare(sql).get<{ lines: number; bytes: number }>(appId) ?? { lines: 0, bytes: 0 };
  }

  /** Deletes the app's oldest lines, at least a few and at most a chunk, and tells what went. */
  deleteOldest(appId: string, lines: number): Promise<{ lines: number; bytes: number }> {
    const sql =
      "DELETE FROM logs WHERE entry_id IN (SELECT entry_id FROM logs WHERE app_id = ? ORDER BY entry_id LIMIT ?) RETURNING octet_length(text) AS bytes";
    const limit = Math.min(Math.max(lines, MIN_DELETED), CHUNK);
    return this.#database.commit(() => {
      const deleted = this.#database.prepare(sql).all<{ bytes: number }>(appId, limit);
      return { lines: deleted.length, bytes: deleted.reduce((sum, { bytes }) => sum + bytes, 0) };
    });
  }

  /** Deletes a chunk of the lines of apps that were stopped before `time`. Returns how many. */
  deleteOfStopped(time: number): Promise<number> {
    const sql =
      "DELETE FROM logs WHERE entry_id IN (SELECT entry_id FROM logs WHERE app_id IN (SELECT id FROM apps WHERE stopped_at < ?) LIMIT ?)";
    return this.#database.commit(() => this.#database.prepare(sql).run(time, CHUNK).changes);
  }
}
