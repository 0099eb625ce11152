import type { BuiltImage } from "@lydian/containers";
import type { Database } from "../database/database.ts";
import type { StoredRecipe } from "./recipe.ts";

export type ImageState = "building" | "ready" | "failed" | "cancelled";

export interface ImageRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly recipeKey: string;
  readonly recipe: StoredRecipe;
  readonly builderVersion: string;
  readonly state: ImageState;
  /** When ready. */
  readonly result: BuiltImage | undefined;
  /** When failed. */
  readonly failure: string | undefined;
  /** It is as if it were not there from then on. 0: never. */
  readonly expiresAt: number;
}

export interface LogLine {
  /** Rises along a build's log, over restarts too. */
  readonly seq: number;
  readonly at: number;
  readonly fd: 1 | 2 | 3;
  readonly text: string;
}

export type ImageEnd =
  | { readonly state: "ready"; readonly result: BuiltImage }
  | { readonly state: "failed"; readonly failure: string }
  | { readonly state: "cancelled" };

interface ImageRow {
  id: string;
  workspace_id: string;
  recipe_key: string;
  recipe: string;
  builder_version: string;
  state: ImageState;
  result: string | null;
  failure: string | null;
  expires_at: number | null;
}

const COLUMNS = "id, workspace_id, recipe_key, recipe, builder_version, state, result, failure, expires_at";

export class ImageStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): ImageRecord | undefined {
    return fromRow(this.#database.prepare(`SELECT ${COLUMNS} FROM images WHERE id = ?`).get<ImageRow>(id));
  }

  /** The image that a request for a recipe gets. */
  current(workspaceId: string, recipeKey: string): ImageRecord | undefined {
    return fromRow(
      this.#database
        .prepare(`SELECT ${COLUMNS} FROM images WHERE workspace_id = ? AND recipe_key = ? AND is_current = 1`)
        .get<ImageRow>(workspaceId, recipeKey),
    );
  }

  /** Stores an image and returns it; when it would be current and there is a current one already, returns that one. */
  insert(image: ImageRecord, isCurrent: boolean, now: number): Promise<ImageRecord> {
    return this.#database.commit(() => {
      const there = isCurrent ? this.current(image.workspaceId, image.recipeKey) : undefined;
      if (there !== undefined) return there;
      this.#database
        .prepare(
          "INSERT INTO images (id, workspace_id, recipe_key, is_current, recipe, builder_version, state, result, created_at, finished_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(
          image.id,
          image.workspaceId,
          image.recipeKey,
          isCurrent ? 1 : 0,
          JSON.stringify(image.recipe),
          image.builderVersion,
          image.state,
          image.result === undefined ? null : JSON.stringify(image.result),
          now,
          image.state === "building" ? null : now,
          image.expiresAt || null,
        );
      return image;
    });
  }

  /** An image that failed, was cancelled or lost its layers is built again, from a recipe that means the same. */
  restart(id: string, recipe: StoredRecipe): Promise<void> {
    return this.#database.commit(() => {
      this.#database
        .prepare("UPDATE images SET state = 'building', recipe = ?, result = NULL, failure = NULL, finished_at = NULL WHERE id = ?")
        .run(JSON.stringify(recipe), id);
    });
  }

  finish(id: string, end: ImageEnd, now: number): Promise<void> {
    return this.#database.commit(() => {
      this.#database
        .prepare("UPDATE images SET state = ?, result = ?, failure = ?, finished_at = ? WHERE id = ?")
        .run(end.state, end.state === "ready" ? JSON.stringify(end.result) : null, end.state === "failed" ? end.failure : null, now, id);
    });
  }

  /** With its log. */
  delete(id: string): Promise<void> {
    return this.#database.commit(() => {
      this.#database.prepare("DELETE FROM image_logs WHERE image_id = ?").run(id);
      this.#database.prepare("DELETE FROM images WHERE id = ?").run(id);
    });
  }

  /** From now on, requests for the image's recipe get this image. */
  makeCurrent(image: ImageRecord): Promise<void> {
    return this.#database.commit(() => {
      this.#database
        .prepare("UPDATE images SET is_current = 0 WHERE workspace_id = ? AND recipe_key = ? AND is_current = 1")
        .run(image.workspaceId, image.recipeKey);
      this.#database.prepare("UPDATE images SET is_current = 1 WHERE id = ?").run(image.id);
    });
  }

  /** Deletes those whose time is over, but for those whose topmost layer is in use. Returns these layers, unless another image has them. */
  deleteExpired(now: number, isUsed: (layer: string) => boolean): Promise<string[]> {
    return this.#database.commit(() => {
      const rows = this.#database.prepare(`SELECT ${COLUMNS} FROM images WHERE expires_at <= ?`).all<ImageRow>(now);
      const layers: string[] = [];
      for (const { id, result } of rows.flatMap((row) => fromRow(row) ?? [])) {
        const topmost = result?.layers.at(-1);
        if (topmost !== undefined && isUsed(topmost)) continue;
        this.#database.prepare("DELETE FROM images WHERE id = ?").run(id);
        if (topmost !== undefined) layers.push(topmost);
      }
      const shared = this.#database.prepare("SELECT 1 AS shared FROM images WHERE instr(result, ?) > 0 LIMIT 1");
      return layers.filter((layer) => shared.get<{ shared: number }>(layer) === undefined);
    });
  }

  appendLogs(imageId: string, lines: readonly LogLine[]): Promise<void> {
    return this.#database.commit(() => {
      const statement = this.#database.prepare("INSERT OR IGNORE INTO image_logs (image_id, seq, at, fd, text) VALUES (?, ?, ?, ?, ?)");
      for (const line of lines) statement.run(imageId, line.seq, line.at, line.fd, line.text);
    });
  }

  logs(imageId: string, after: number, limit: number): readonly LogLine[] {
    return this.#database
      .prepare("SELECT seq, at, fd, text FROM image_logs WHERE image_id = ? AND seq > ? ORDER BY seq LIMIT ?")
      .all<LogLine>(imageId, after, limit);
  }

  /** 0 when nothing has been logged. */
  lastLogSeq(imageId: string): number {
    return (
      this.#database.prepare("SELECT coalesce(max(seq), 0) AS seq FROM image_logs WHERE image_id = ?").get<{ seq: number }>(imageId)?.seq ??
      0
    );
  }
}

function fromRow(row: ImageRow | undefined): ImageRecord | undefined {
  if (row === undefined) return undefined;
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    recipeKey: row.recipe_key,
    recipe: JSON.parse(row.recipe) as StoredRecipe,
    builderVersion: row.builder_version,
    state: row.state,
    result: row.result === null ? undefined : (JSON.parse(row.result) as BuiltImage),
    failure: row.failure ?? undefined,
    expiresAt: row.expires_at ?? 0,
  };
}
