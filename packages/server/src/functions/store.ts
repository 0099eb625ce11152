import type { AutoscalerSettings, Function as FunctionDefinition } from "@lydian/protocol";
import { AutoscalerSettingsSchema, FunctionSchema$, fromBinary, LydianError, toBinary } from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import { newId } from "../ids.ts";
import { contentOf } from "./definition-content.ts";

interface FunctionRow {
  readonly id: string;
  readonly app_id: string;
  readonly name: string;
  readonly published: number;
  readonly settings: Uint8Array | null;
  readonly definition_id: string | null;
  readonly definition: Uint8Array | null;
}

export interface Definition {
  readonly id: string;
  readonly definition: FunctionDefinition;
}

export interface StoredFunction {
  readonly id: string;
  readonly appId: string;
  readonly name: string;
  /** The current one. Absent while only the id is reserved. */
  readonly current: Definition | undefined;
  /** Over those of the definition, until the next publishing. */
  readonly settings: AutoscalerSettings | undefined;
  readonly isPublished: boolean;
}

/** A function of a layout, with the definition that becomes current. */
export interface PublishedFunction {
  readonly id: string;
  /** Empty: the one that came last. */
  readonly definitionId: string;
}

export class FunctionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): StoredFunction | undefined {
    const sql = "SELECT f.*, d.definition FROM functions f LEFT JOIN definitions d ON d.id = f.definition_id WHERE f.id = ?";
    const row = this.#database.prepare(sql).get<FunctionRow>(id);
    return row && storedFunction(row);
  }

  /** The app's layout, oldest first. */
  published(appId: string): { readonly id: string; readonly name: string; readonly definitionId: string }[] {
    const sql = "SELECT id, name, definition_id AS definitionId FROM functions WHERE app_id = ? AND published = 1 ORDER BY id";
    return this.#database.prepare(sql).all(appId);
  }

  definition(functionId: string, definitionId: string): Definition | undefined {
    const row = this.#database
      .prepare("SELECT definition FROM definitions WHERE id = ? AND function_id = ?")
      .get<{ definition: Uint8Array }>(definitionId, functionId);
    return row && { id: definitionId, definition: fromBinary(FunctionSchema$, row.definition) };
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

  /**
   * Stores a definition, unless the function has an equal one. It is current at once while the function is not published: nobody
   * may call that by name yet. Of a published one, the layout says what is current.
   */
  async define(functionId: string, definition: FunctionDefinition): Promise<string> {
    const sha256 = contentOf(definition);
    return this.#database.commit(() => {
      this.#insert(functionId, toBinary(FunctionSchema$, definition), sha256);
      const sql = "SELECT id FROM definitions WHERE function_id = ? AND sha256 = ?";
      const id = this.#database.prepare(sql).get<{ id: string }>(functionId, sha256)?.id ?? "";
      this.#database
        .prepare(
          "UPDATE functions SET latest_definition_id = ?, definition_id = CASE published WHEN 1 THEN definition_id ELSE ? END WHERE id = ?",
        )
        .run(id, id, functionId);
      return id;
    });
  }

  /** In a commit: these, and no others, are the functions of the app. Returns the ids of those that were and are no more. */
  publish(appId: string, functions: readonly PublishedFunction[]): string[] {
    const before = this.published(appId);
    this.#database.prepare("UPDATE functions SET published = 0 WHERE app_id = ?").run(appId);
    for (const { id, definitionId } of functions) {
      const { changes } = this.#database
        .prepare(
          `UPDATE functions SET published = 1, settings = NULL, definition_id = d.id FROM definitions d
           WHERE functions.id = ? AND app_id = ? AND d.function_id = functions.id AND d.id = COALESCE(NULLIF(?, ''), latest_definition_id)`,
        )
        .run(id, appId, definitionId);
      if (changes === 0)
        throw new LydianError("aborted", `The function ${id} was published by somebody else in the meantime, with another definition.`, {
          hint: "Deploy again.",
        });
      this.#database.prepare("UPDATE variants SET settings = NULL WHERE function_id = ?").run(id);
    }
    this.#forget(appId);
    const now = new Set(functions.map(({ id }) => id));
    return before.flatMap(({ id }) => (now.has(id) ? [] : [id]));
  }

  /** In a commit: a definition with another id, which differs in nothing else. */
  copyDefinition(functionId: string, definitionId: string): string {
    const sql = "SELECT definition FROM definitions WHERE id = ? AND function_id = ?";
    const row = this.#database.prepare(sql).get<{ definition: Uint8Array }>(definitionId, functionId);
    return row === undefined ? definitionId : this.#insert(functionId, row.definition, null);
  }

  async setSettings(id: string, settings: AutoscalerSettings): Promise<void> {
    const bytes = toBinary(AutoscalerSettingsSchema, settings);
    await this.#database.commit(() => {
      for (const table of ["functions", "variants"] as const)
        this.#database.prepare(`UPDATE ${table} SET settings = ? WHERE id = ?`).run(bytes, id);
    });
  }

  #insert(functionId: string, definition: Uint8Array, sha256: Uint8Array | null): string {
    const id = newId("de");
    this.#database
      .prepare(
        "INSERT INTO definitions (id, function_id, definition, sha256, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (function_id, sha256) DO NOTHING",
      )
      .run(id, functionId, definition, sha256, Date.now());
    return id;
  }

  /** Definitions that neither a function nor a version needs any more; they may hold megabytes of pickled code. */
  #forget(appId: string): void {
    this.#database
      .prepare(
        `DELETE FROM definitions WHERE function_id IN (SELECT id FROM functions WHERE app_id = ?)
         AND NOT EXISTS (SELECT 1 FROM functions f WHERE f.definition_id = definitions.id OR f.latest_definition_id = definitions.id)
         AND NOT EXISTS (SELECT 1 FROM version_objects v WHERE v.definition_id = definitions.id)`,
      )
      .run(appId);
  }
}

const storedFunction = (row: FunctionRow): StoredFunction => ({
  id: row.id,
  appId: row.app_id,
  name: row.name,
  current:
    row.definition_id === null || row.definition === null
      ? undefined
      : { id: row.definition_id, definition: fromBinary(FunctionSchema$, row.definition) },
  isPublished: row.published === 1,
  settings: row.settings === null ? undefined : fromBinary(AutoscalerSettingsSchema, row.settings),
});
