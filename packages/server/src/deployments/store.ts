// Numbered versions of apps, each with the layout that it had.
import { type CommitInfo, CommitInfoSchema, DeploymentType, fromBinary, toBinary } from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import { claimKey } from "../database/idempotency.ts";

export interface Version {
  readonly version: number;
  readonly kind: DeploymentType;
  readonly deployedAt: number;
  readonly deployedBy: string;
  readonly clientVersion: string;
  readonly tag: string;
  /** The version that was brought back; 0 for none. */
  readonly rollbackVersion: number;
  readonly commitInfo: CommitInfo | undefined;
}

/** Ids by name; definitions by function id. */
export interface Layout {
  readonly functionIds: Readonly<Record<string, string>>;
  readonly classIds: Readonly<Record<string, string>>;
  readonly definitionIds: Readonly<Record<string, string>>;
}

interface VersionRow {
  readonly version: number;
  readonly kind: number;
  readonly deployed_at: number;
  readonly deployed_by: string;
  readonly client_version: string;
  readonly tag: string;
  readonly rollback_version: number;
  readonly commit_info: Uint8Array | null;
}

interface ObjectRow {
  readonly object_id: string;
  readonly name: string;
  readonly definition_id: string | null;
}

const HISTORY_LIMIT = 1_000;

export class VersionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Newest first. */
  list(appId: string): Version[] {
    return this.#database
      .prepare("SELECT * FROM app_versions WHERE app_id = ? ORDER BY version DESC LIMIT ?")
      .all<VersionRow>(appId, HISTORY_LIMIT)
      .map(versionOf);
  }

  get(appId: string, version: number): Version | undefined {
    const row = this.#database.prepare("SELECT * FROM app_versions WHERE app_id = ? AND version = ?").get<VersionRow>(appId, version);
    return row && versionOf(row);
  }

  layout(appId: string, version: number): Layout {
    const rows = this.#database.prepare("SELECT * FROM version_objects WHERE app_id = ? AND version = ?").all<ObjectRow>(appId, version);
    const functions = rows.filter((row) => row.definition_id !== null);
    return {
      functionIds: Object.fromEntries(functions.map((row) => [row.name, row.object_id])),
      classIds: Object.fromEntries(rows.flatMap((row) => (row.definition_id === null ? [[row.name, row.object_id]] : []))),
      definitionIds: Object.fromEntries(functions.map((row) => [row.object_id, row.definition_id ?? ""])),
    };
  }

  /** In a commit: the number of the version that a request with this key has made already, or the next one. */
  claim(appId: string, idempotencyKey: string, now: number): { readonly version: number; readonly isNew: boolean } {
    const sql = "SELECT COALESCE(MAX(version), 0) + 1 AS next FROM app_versions WHERE app_id = ?";
    const next = this.#database.prepare(sql).get<{ next: number }>(appId)?.next ?? 1;
    const version = Number(claimKey(this.#database, `AppPublish/${appId}`, idempotencyKey, String(next), now));
    return { version, isNew: version === next };
  }

  /** In a commit. */
  insert(appId: string, version: Version, { functionIds, classIds, definitionIds }: Layout): void {
    const { kind, deployedAt, deployedBy, clientVersion, tag, rollbackVersion, commitInfo } = version;
    this.#database
      .prepare(
        "INSERT INTO app_versions (app_id, version, kind, deployed_at, deployed_by, client_version, tag, rollback_version, commit_info) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      )
      .run(
        appId,
        version.version,
        kind,
        deployedAt,
        deployedBy,
        clientVersion,
        tag,
        rollbackVersion,
        commitInfo ? toBinary(CommitInfoSchema, commitInfo) : null,
      );
    const object = this.#database.prepare(
      "INSERT INTO version_objects (app_id, version, object_id, name, definition_id) VALUES (?, ?, ?, ?, ?)",
    );
    for (const [name, id] of Object.entries(functionIds)) object.run(appId, version.version, id, name, definitionIds[id] ?? "");
    for (const [name, id] of Object.entries(classIds)) object.run(appId, version.version, id, name, null);
  }
}

const versionOf = (row: VersionRow): Version => ({
  version: row.version,
  kind: DeploymentType[row.kind] === undefined ? DeploymentType.STANDARD : (row.kind as DeploymentType),
  deployedAt: row.deployed_at,
  deployedBy: row.deployed_by,
  clientVersion: row.client_version,
  tag: row.tag,
  rollbackVersion: row.rollback_version,
  commitInfo: row.commit_info === null ? undefined : fromBinary(CommitInfoSchema, row.commit_info),
});
