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

  /** Deletes the oldest lines beyond `keep`. */
  async trim(appId: string, keep: number): Promise<void> {
    await this.#database.commit(() =>
      this.#database
        .prepare(
          "DELETE FROM logs WHERE app_id = ? AND entry_id <= (SELECT entry_id FROM logs WHERE app_id = ? ORDER BY entry_id DESC LIMIT 1 OFFSET ?)",
        )
        .run(appId, appId, keep),
    );
  }
}
