import { LydianError } from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import { claimKey } from "../database/idempotency.ts";
import { newId } from "../ids.ts";

export interface EnvironmentRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly name: string;
  readonly isDefault: boolean;
  readonly createdAt: number;
}

interface EnvironmentRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly name: string;
  readonly is_default: number;
  readonly created_at: number;
  readonly deleted_at: number | null;
}

const NAME = /^(?!en-)[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** Environments of all workspaces; the first one of a workspace is its default. */
export class Environments {
  readonly #database: Database;
  readonly #byId = new Map<string, EnvironmentRecord & { isDeleted: boolean }>();

  constructor(database: Database) {
    this.#database = database;
    for (const row of database.prepare("SELECT * FROM environments").all<EnvironmentRow>()) {
      this.#byId.set(row.id, {
        id: row.id,
        workspaceId: row.workspace_id,
        name: row.name,
        isDefault: row.is_default === 1,
        createdAt: row.created_at,
        isDeleted: row.deleted_at !== null,
      });
    }
  }

  list(workspaceId: string): EnvironmentRecord[] {
    return [...this.#byId.values()].filter((record) => record.workspaceId === workspaceId && !record.isDeleted);
  }

  /** "" is the default one. */
  find(workspaceId: string, name: string): EnvironmentRecord | undefined {
    return this.list(workspaceId).find((record) => (name === "" ? record.isDefault : record.name === name));
  }

  /** Throws NOT_FOUND with the names that exist. */
  require(workspaceId: string, name: string): EnvironmentRecord {
    const record = this.find(workspaceId, name);
    if (record) return record;
    throw new LydianError(
      "not_found",
      `There is no environment ${JSON.stringify(name.slice(0, 100))}; there are: ${this.list(workspaceId)
        .map((one) => one.name)
        .join(", ")}.`,
    );
  }

  nameOf(id: string): string {
    return this.#byId.get(id)?.name ?? "";
  }

  /** A repeated request (same key) gets what the first one made; any other finds that the name is taken. */
  async create(
    workspaceId: string,
    name: string,
    { isDefault = false, idempotencyKey = "" }: { readonly isDefault?: boolean; readonly idempotencyKey?: string } = {},
  ): Promise<EnvironmentRecord> {
    checkName(name);
    const record = { id: newId("en"), workspaceId, name, isDefault, createdAt: Date.now(), isDeleted: false };
    const id = await this.#database.commit(() => {
      const claimed = claimKey(this.#database, `EnvironmentCreate/${workspaceId}`, idempotencyKey, record.id, record.createdAt);
      if (claimed !== record.id) return claimed;
      const { changes } = this.#database
        .prepare("INSERT INTO environments (id, workspace_id, name, is_default, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
        .run(record.id, workspaceId, name, isDefault ? 1 : 0, record.createdAt);
      if (changes === 0) throw new LydianError("already_exists", `The environment ${JSON.stringify(name)} exists already.`);
      return record.id;
    });
    if (id === record.id) this.#byId.set(id, record);
    return this.#byId.get(id) ?? record;
  }

  /** What is in it stays: everything refers to its id. */
  async rename(workspaceId: string, name: string, newName: string): Promise<EnvironmentRecord> {
    checkName(newName);
    const known = this.#byId.get(this.require(workspaceId, name).id);
    if (known === undefined || known.name === newName) return this.require(workspaceId, name);
    const taken = new LydianError("already_exists", `The environment ${JSON.stringify(newName)} exists already.`);
    await this.#database.commit(() => {
      const sql = "UPDATE OR IGNORE environments SET name = ? WHERE id = ?";
      if (this.#database.prepare(sql).run(newName, known.id).changes === 0) throw taken;
    });
    const renamed = { ...known, name: newName };
    this.#byId.set(known.id, renamed);
    return renamed;
  }

  async delete(workspaceId: string, name: string): Promise<EnvironmentRecord> {
    const record = this.require(workspaceId, name);
    if (record.isDefault)
      throw new LydianError("failed_precondition", `${JSON.stringify(record.name)} is the default environment; it cannot be deleted.`);
    await this.#database.commit(() =>
      this.#database.prepare("UPDATE environments SET deleted_at = ? WHERE id = ?").run(Date.now(), record.id),
    );
    this.#byId.set(record.id, { ...record, isDeleted: true });
    return record;
  }
}

function checkName(name: string): void {
  if (NAME.test(name)) return;
  throw new LydianError(
    "invalid_argument",
    `${JSON.stringify(name.slice(0, 100))} is not a name of an environment: 1 to 64 letters, digits, "_" or "-", beginning with a letter or digit, and not with "en-".`,
  );
}
