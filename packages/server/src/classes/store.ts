import type { Database } from "../database/database.ts";
import { claimKey } from "../database/idempotency.ts";

export interface ClassRecord {
  readonly id: string;
  readonly appId: string;
  /** Empty until it is published. */
  readonly name: string;
}

interface ClassRow {
  readonly id: string;
  readonly app_id: string;
  readonly name: string | null;
}

const COLUMNS = "id, app_id, name";

export class ClassStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): ClassRecord | undefined {
    const row = this.#database.prepare(`SELECT ${COLUMNS} FROM classes WHERE id = ?`).get<ClassRow>(id);
    return row && recordOf(row);
  }

  /** Of the app's layout. */
  published(appId: string): ClassRecord[] {
    const sql = `SELECT ${COLUMNS} FROM classes WHERE app_id = ? AND published = 1 ORDER BY id`;
    return this.#database.prepare(sql).all<ClassRow>(appId).map(recordOf);
  }

  /** The id that an earlier request with this key was given, or this one, which is stored then. */
  insert(id: string, appId: string, idempotencyKey: string): Promise<string> {
    return this.#database.commit(() => {
      const now = Date.now();
      const claimed = claimKey(this.#database, `ClassCreate/${appId}`, idempotencyKey, id, now);
      if (claimed === id) this.#database.prepare("INSERT INTO classes (id, app_id, created_at) VALUES (?, ?, ?)").run(id, appId, now);
      return claimed;
    });
  }

  /** In a commit: these, and no others, are the classes of the app. */
  publish(appId: string, classIds: Readonly<Record<string, string>>): void {
    this.#database.prepare("UPDATE classes SET published = 0 WHERE app_id = ?").run(appId);
    for (const [name, id] of Object.entries(classIds))
      this.#database.prepare("UPDATE classes SET published = 1, name = ? WHERE id = ? AND app_id = ?").run(name, id, appId);
  }
}

const recordOf = (row: ClassRow): ClassRecord => ({ id: row.id, appId: row.app_id, name: row.name ?? "" });
