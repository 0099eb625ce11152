// Tokens: 256 random bits, of which the server keeps a SHA-256.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { LydianError } from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import { claimKey } from "../database/idempotency.ts";
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

  /** A repeated request (same key) gives the token of the first one a new secret: the old one was never received, and is kept by no one. */
  async create(workspaceId: string, name: string, idempotencyKey = ""): Promise<NewToken> {
    if (!NAME.test(name)) {
      throw new LydianError(
        "invalid_argument",
        `${JSON.stringify(name.slice(0, 100))} is not a name of a token: 1 to 64 letters, digits, spaces, or any of "._@-".`,
      );
    }
    const tokenSecret = `as-${randomBytes(32).toString("base64url")}`;
    const now = this.#now();
    const hash = sha256(tokenSecret);
    const fresh = newId("ak");
    const id = await this.#database.commit(() => {
      const claimed = claimKey(this.#database, `TokenCreate/${workspaceId}`, idempotencyKey, fresh, now);
      this.#database
        .prepare(
          "INSERT INTO tokens (id, workspace_id, name, secret_sha256, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET secret_sha256 = excluded.secret_sha256",
        )
        .run(claimed, workspaceId, name, hash, now);
      return claimed;
    });
    const record: TokenRecord = this.#byId.get(id)?.record ?? { id, workspaceId, name, createdAt: now, lastUsedAt: 0 };
    this.#byId.set(id, { record, hash, usedAt: 0 });
    return { tokenId: id, tokenSecret };
  }

  list(workspaceId: string): TokenRecord[] {
    return [...this.#byId.values()]
      .map(({ record, usedAt }) => ({ ...record, lastUsedAt: usedAt }))
      .filter((record) => record.workspaceId === workspaceId);
  }

  /** Takes effect with the next call. */
  async revoke(workspaceId: string, id: string): Promise<void> {
    if (this.#byId.get(id)?.record.workspaceId !== workspaceId)
      throw new LydianError("not_found", `There is no token ${JSON.stringify(id.slice(0, 40))}.`);
    await this.#database.commit(() => {
      const { others } = this.#database
        .prepare("SELECT COUNT(*) AS others FROM tokens WHERE workspace_id = ? AND id <> ?")
        .get<{ others: number }>(workspaceId, id) ?? { others: 0 };
      if (others === 0) {
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
