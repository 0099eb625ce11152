import type { Database } from "../database/database.ts";
import type { LogEntry, LogFilter, LogWindow } from "./logs.ts";

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

export interface LogCount {
  /** Beginning of the part of time, in milliseconds since the epoch. */
  readonly at: number;
  readonly fd: number;
  readonly lines: number;
}

/** A deletion blocks everyone for as long as it takes. */
const CHUNK = 5_000;
/** So that an app at its limit does not cost a deletion per line. */
const MIN_DELETED = 100;

const COLUMNS = `entry_id AS entryId, task_id AS taskId, function_id AS functionId, call_id AS callId, input_id AS inputId,
  image_id AS imageId, fd, at, text`;
const FILTER = `(? = '' OR task_id = ?) AND (? = '' OR function_id = ?) AND (? = '' OR call_id = ?) AND (? = '' OR input_id = ?)
  AND (? = 0 OR fd = ?)`;
const WINDOW = "at >= ? AND at < ? AND (? = '' OR instr(text, ?) > 0)";
const SELECT = `SELECT ${COLUMNS} FROM logs WHERE app_id = ? AND entry_id > ? AND ${FILTER} ORDER BY entry_id LIMIT ?`;
const SELECT_LAST = `SELECT ${COLUMNS} FROM logs WHERE app_id = ? AND ${WINDOW} AND ${FILTER} ORDER BY entry_id DESC LIMIT ?`;
const COUNT = `SELECT CAST(at / ? AS INTEGER) AS part, fd, COUNT(*) AS lines FROM logs WHERE app_id = ? AND ${WINDOW} AND ${FILTER}
  GROUP BY part, fd`;

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
    return this.#database.prepare(SELECT).all<StoredLog>(appId, entryId, ...filterValues(filter), limit);
  }

  /** The last lines, oldest first. */
  within(appId: string, window: LogWindow, filter: LogFilter, limit: number): StoredLog[] {
    const values = [...windowValues(window), ...filterValues(filter)];
    return this.#database
      .prepare(SELECT_LAST)
      .all<StoredLog>(appId, ...values, limit)
      .reverse();
  }

  /** Only parts with lines. */
  count(appId: string, window: LogWindow, filter: LogFilter, partMs: number): LogCount[] {
    const values = [...windowValues(window), ...filterValues(filter)];
    const rows = this.#database.prepare(COUNT).all<{ part: number; fd: number; lines: number }>(partMs, appId, ...values);
    return rows.map(({ part, fd, lines }) => ({ at: part * partMs, fd, lines }));
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

function filterValues({ taskId = "", functionId = "", callId = "", inputId = "", fd = 0 }: LogFilter): (string | number)[] {
  return [taskId, taskId, functionId, functionId, callId, callId, inputId, inputId, fd, fd];
}

function windowValues({ since, until, text }: LogWindow): (string | number)[] {
  return [since, until, text, text];
}
