// Variants: functions made of others, for an instance of a class or with other options.
import { createHash } from "node:crypto";
import {
  type AutoscalerSettings,
  AutoscalerSettingsSchema,
  type FunctionOptions,
  FunctionOptionsSchema,
  fromBinary,
  toBinary,
} from "@lydian/protocol";
import type { Database } from "../database/database.ts";

export interface Variant {
  readonly id: string;
  readonly baseId: string;
  readonly params: Uint8Array;
  readonly options: FunctionOptions;
  readonly settings: AutoscalerSettings | undefined;
}

interface VariantRow {
  readonly id: string;
  readonly function_id: string;
  readonly params: Uint8Array;
  readonly options: Uint8Array;
  readonly settings: Uint8Array | null;
}

export class VariantStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): Variant | undefined {
    const row = this.#database.prepare("SELECT * FROM variants WHERE id = ?").get<VariantRow>(id);
    if (row === undefined) return undefined;
    return {
      id,
      baseId: row.function_id,
      params: new Uint8Array(row.params),
      options: fromBinary(FunctionOptionsSchema, row.options),
      settings: row.settings === null ? undefined : fromBinary(AutoscalerSettingsSchema, row.settings),
    };
  }

  /** Keeps the id that an equal request was given. Returns the id. */
  async bind({ id, baseId, params, options }: Omit<Variant, "settings">): Promise<string> {
    const bytes = toBinary(FunctionOptionsSchema, options);
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(params.length));
    const sha256 = createHash("sha256").update(length).update(params).update(bytes).digest();
    return this.#database.commit(() => {
      this.#database
        .prepare(
          "INSERT INTO variants (id, function_id, sha256, params, options, created_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (function_id, sha256) DO NOTHING",
        )
        .run(id, baseId, sha256, params, bytes, Date.now());
      const sql = "SELECT id FROM variants WHERE function_id = ? AND sha256 = ?";
      return this.#database.prepare(sql).get<{ id: string }>(baseId, sha256)?.id ?? id;
    });
  }
}
