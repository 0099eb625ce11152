// Tokens: 256 random bits, of which the server keeps a SHA-256.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { LydianError } from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import { newId } from "../ids.ts";

export interface TokenRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly name: string;
  readonly createdAt: number;
  /** 0 when never used. */
  readonly lastUsedAt: number;
}

export interface NewToken {
  readonly tokenId: string;
  readonly tokenSecret: string;
}

interface TokenRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly name: string;
  readonly secret_sha256: Uint8Array;
  readonly created_at: number;
  readonly last_used_at: number | null;
}

const NAME = /^[\p{L}\p{N} ._@-]{1,64}$/u;
/** The time of last use is written this often at most. */
const USE_RESOLUTION_MS = 60_000;

export class Tokens {
  readonly #database: Database;
  readonly #now: () => number;
  readonly #byId = new Map<string, { record: TokenRecord; hash: Buffer; usedAt: number }>();

  constructor(database: Database, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
    for (const row of database.prepare("SELECT * FROM tokens").all<TokenRow>()) {
      const record = {
        id: row.id,
        workspaceId: row.workspace_id,
        name: row.name,
        createdAt: row.created_at,
        lastUsedAt: row.last_used_at ?? 0,
      };
      this.#byId.set(row.id, { record, hash: Buffer.from(row.secret_sha256), usedAt: record.lastUsedAt });
    }
  }

  /** The token, when the secret is its secret. The time taken does not tell how much of the secret was right. */
  verify(id: string, secret: string): TokenRecord | undefined {
    const known = this.#byId.get(id);
    if (!known || !timingSafeEqual(known.hash, sha256(secret))) return undefined;
    const now = this.#now();
    if (now - known.usedAt > USE_RESOLUTION_MS) {
      known.usedAt = now;
      this.#database
        .commit(() => this.#database.prepare("UPDATE tokens SET last_used_at = ? WHERE id = ?").run(now, id))
        .catch(() => undefined);
    }
    return known.record;
  }

  async create(workspaceId: string, name: string): Promise<NewToken> {
    if (!NAME.test(name)) {
      throw new LydianError(
        "invalid_argument",
        `${JSON.stringify(name)} is not a name of a token: 1 to 64 letters, digits, spaces, or any of "._@-".`,
      );
    }
    const tokenSecret = `as-${randomBytes(32).toString("base64url")}`;
    const record: TokenRecord = { id: newId("ak"), workspaceId, name, createdAt: this.#now(), lastUsedAt: 0 };
    const hash = sha256(tokenSecret);
    await this.#database.commit(() =>
      this.#database
        .prepare("INSERT INTO tokens (id, workspace_id, name, secret_sha256, created_at) VALUES (?, ?, ?, ?, ?)")
        .run(record.id, workspaceId, name, hash, record.createdAt),
    );
    this.#byId.set(record.id, { record, hash, usedAt: 0 });
    return { tokenId: record.id, tokenSecret };
  }

  list(workspaceId: string): TokenRecord[] {
    return [...this.#byId.values()]
      .map(({ record, usedAt }) => ({ ...record, lastUsedAt: usedAt }))
      .filter((record) => record.workspaceId === workspaceId);
  }

  /** Takes effect with the next call. */
  async revoke(workspaceId: string, id: string): Promise<void> {
    if (this.#byId.get(id)?.record.workspaceId !== workspaceId)
      throw new LydianError("not_found", `There is no token ${JSON.stringify(id)}.`);
    // Counted inside the commit: two that revoke the last two at once must not both succeed.
    await this.#database.commit(() => {
      const { count } = this.#database
        .prepare("SELECT count(*) AS count FROM tokens WHERE workspace_id = ?")
        .get<{ count: number }>(workspaceId) ?? { count: 0 };
      if (count <= 1) {
        throw new LydianError("failed_precondition", "This is the last token of the workspace: without it nobody could make another.", {
          hint: "Create a new one first: lydian token create NAME",
        });
      }
      this.#database.prepare("DELETE FROM tokens WHERE id = ?").run(id);
    });
    this.#byId.delete(id);
  }
}

const sha256 = (secret: string): Buffer => createHash("sha256").update(secret).digest();
