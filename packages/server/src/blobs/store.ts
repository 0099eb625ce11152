import type { Database } from "../database/database.ts";
import type { StoredContent } from "./contents.ts";

export interface BlobRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly expectedSize: number;
  readonly expectedSha256: string | undefined;
  /** Absent until the upload is complete. */
  readonly content: { readonly sha256: string; readonly md5: string } | undefined;
}

interface BlobRow {
  id: string;
  workspace_id: string;
  expected_size: number;
  expected_sha256: string | null;
  sha256: string | null;
  md5: string | null;
}

/** Which blobs exist, and which workspace has brought which content. */
export class BlobStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  insert(blob: {
    id: string;
    workspaceId: string;
    expectedSize: number;
    expectedSha256: string | undefined;
    createdAt: number;
  }): Promise<void> {
    return this.#database.commit(() => {
      this.#database
        .prepare("INSERT INTO blobs (id, workspace_id, expected_size, expected_sha256, created_at) VALUES (?, ?, ?, ?, ?)")
        .run(blob.id, blob.workspaceId, blob.expectedSize, blob.expectedSha256 ?? null, blob.createdAt);
    });
  }

  get(id: string): BlobRecord | undefined {
    const row = this.#database
      .prepare("SELECT id, workspace_id, expected_size, expected_sha256, sha256, md5 FROM blobs WHERE id = ?")
      .get<BlobRow>(id);
    if (row === undefined) return undefined;
    return {
      id: row.id,
      workspaceId: row.workspace_id,
      expectedSize: row.expected_size,
      expectedSha256: row.expected_sha256 ?? undefined,
      content: row.sha256 === null ? undefined : { sha256: row.sha256, md5: row.md5 ?? "" },
    };
  }

  /** Marks an upload as complete; what it holds then belongs to the blob's workspace. */
  complete(id: string, content: StoredContent, now: number): Promise<void> {
    return this.#database.commit(() => {
      this.#database.prepare("UPDATE blobs SET sha256 = ?, md5 = ? WHERE id = ? AND sha256 IS NULL").run(content.sha256, content.md5, id);
      this.#database
        .prepare(
          "INSERT OR IGNORE INTO contents (workspace_id, sha256, size, created_at) SELECT workspace_id, ?, ?, ? FROM blobs WHERE id = ?",
        )
        .run(content.sha256, content.size, now, id);
    });
  }

  /** Gives a workspace the right to content it has proved to have. */
  grant(workspaceId: string, content: { sha256: string; size: number }, now: number): Promise<void> {
    return this.#database.commit(() => {
      this.#database
        .prepare("INSERT OR IGNORE INTO contents (workspace_id, sha256, size, created_at) VALUES (?, ?, ?, ?)")
        .run(workspaceId, content.sha256, content.size, now);
    });
  }

  /** Size of a content that a workspace has; undefined when it has not brought it. */
  sizeFor(workspaceId: string, sha256: string): number | undefined {
    return this.#database
      .prepare("SELECT size FROM contents WHERE workspace_id = ? AND sha256 = ?")
      .get<{ size: number }>(workspaceId, sha256)?.size;
  }
}
