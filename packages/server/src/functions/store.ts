import { type Function as FunctionDefinition, FunctionSchema$, fromBinary, toBinary } from "@lydian/protocol";
import type { Database } from "../database/database.ts";

interface FunctionRow {
  readonly id: string;
  readonly app_id: string;
  readonly name: string;
  readonly definition: Uint8Array | null;
  readonly published: number;
}

export interface StoredFunction {
  readonly id: string;
  readonly appId: string;
  readonly name: string;
  /** Absent while only the id is reserved. */
  readonly definition: FunctionDefinition | undefined;
  readonly isPublished: boolean;
}

export class FunctionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): StoredFunction | undefined {
    const row = this.#database.prepare("SELECT * FROM functions WHERE id = ?").get<FunctionRow>(id);
    return row && storedFunction(row);
  }

  ofApp(appId: string): StoredFunction[] {
    return this.#database.prepare("SELECT * FROM functions WHERE app_id = ?").all<FunctionRow>(appId).map(storedFunction);
  }

  /** Keeps the id that the name has already. Returns the id. */
  async reserve(id: string, appId: string, name: string): Promise<string> {
    return this.#database.commit(() => {
      this.#database
        .prepare("INSERT INTO functions (id, app_id, name, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (app_id, name) DO NOTHING")
        .run(id, appId, name, Date.now());
      return this.#database.prepare("SELECT id FROM functions WHERE app_id = ? AND name = ?").get<{ id: string }>(appId, name)?.id ?? id;
    });
  }

  async define(id: string, definition: FunctionDefinition): Promise<void> {
    await this.#database.commit(() =>
      this.#database.prepare("UPDATE functions SET definition = ? WHERE id = ?").run(toBinary(FunctionSchema$, definition), id),
    );
  }

  /** These, and no others, are the functions of the app. */
  async publish(appId: string, ids: readonly string[]): Promise<void> {
    await this.#database.commit(() => {
      this.#database.prepare("UPDATE functions SET published = 0 WHERE app_id = ?").run(appId);
      for (const id of ids) this.#database.prepare("UPDATE functions SET published = 1 WHERE id = ? AND app_id = ?").run(id, appId);
    });
  }
}

const storedFunction = (row: FunctionRow): StoredFunction => ({
  id: row.id,
  appId: row.app_id,
  name: row.name,
  definition: row.definition === null ? undefined : fromBinary(FunctionSchema$, row.definition),
  isPublished: row.published === 1,
});
