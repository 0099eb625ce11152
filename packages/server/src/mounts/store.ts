import type { Database } from "../database/database.ts";
import type { MountedFile } from "./file-list.ts";

export interface MountRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly checksum: string;
  readonly files: readonly MountedFile[];
  /** Of a mount that stands for an official client's package of this version; it lists no files. */
  readonly clientVersion?: string;
  /** Of a mount that stands for a build of Python: the image that has its files. It lists none. */
  readonly pythonImage?: string;
}

interface MountRow {
  id: string;
  workspace_id: string;
  checksum: string;
  files: string;
  client_version: string | null;
  python_image: string | null;
}

export class MountStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Stores a mount, and returns the id: of an equal one of the workspace if there is one. */
  insert(mount: MountRecord, now: number): Promise<string> {
    const files = JSON.stringify(mount.files.map((file) => [file.path, file.sha256, file.mode]));
    return this.#database.commit(() => {
      this.#database
        .prepare(
          "INSERT OR IGNORE INTO mounts (id, workspace_id, checksum, files, client_version, python_image, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .run(mount.id, mount.workspaceId, mount.checksum, files, mount.clientVersion ?? null, mount.pythonImage ?? null, now);
      return this.find(mount.workspaceId, mount.checksum) ?? mount.id;
    });
  }

  find(workspaceId: string, checksum: string): string | undefined {
    return this.#database
      .prepare("SELECT id FROM mounts WHERE workspace_id = ? AND checksum = ?")
      .get<{ id: string }>(workspaceId, checksum)?.id;
  }

  get(id: string): MountRecord | undefined {
    const row = this.#database
      .prepare("SELECT id, workspace_id, checksum, files, client_version, python_image FROM mounts WHERE id = ?")
      .get<MountRow>(id);
    if (row === undefined) return undefined;
    const files = (JSON.parse(row.files) as [string, string, number][]).map(([path, sha256, mode]) => ({ path, sha256, mode }));
    return {
      id: row.id,
      workspaceId: row.workspace_id,
      checksum: row.checksum,
      files,
      ...(row.client_version === null ? {} : { clientVersion: row.client_version }),
      ...(row.python_image === null ? {} : { pythonImage: row.python_image }),
    };
  }
}
