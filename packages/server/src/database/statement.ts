// Prepared statements over libsql, with its traps kept in one place. As of libsql 0.5.29:
// - a boolean or an undefined parameter panics in native code and takes the process down: parameters are checked here;
// - a lone object or null parameter is read as named parameters: values always go in one array;
// - `get` after `all` on one native statement answers from the earlier cursor, with the earlier parameters:
//   each mode has a native statement of its own;
// - `all` gives blobs as ArrayBuffer, `get` as Buffer: here both are Uint8Array;
// - numbers are bound as floating point: declare columns INTEGER, whose affinity stores them as integers again.
import { LydianError } from "@lydian/protocol";

export type SqlValue = string | number | bigint | Uint8Array | null;

export interface Statement {
  run(...values: readonly SqlValue[]): { readonly changes: number; readonly lastInsertRowid: number };
  /** The first row. */
  get<Row extends object>(...values: readonly SqlValue[]): Row | undefined;
  all<Row extends object>(...values: readonly SqlValue[]): Row[];
}

interface NativeStatement {
  run(values: readonly SqlValue[]): { changes: number; lastInsertRowid: number | bigint };
  get(values: readonly SqlValue[]): unknown;
  all(values: readonly SqlValue[]): unknown[];
}

/** The part of libsql's synchronous interface that we use. */
export interface NativeDatabase {
  readonly inTransaction: boolean;
  prepare(sql: string): NativeStatement;
  exec(sql: string): unknown;
  pragma(source: string): unknown;
  close(): unknown;
}

export class StatementCache {
  readonly #native: NativeDatabase;
  readonly #bySql = new Map<string, Statement>();

  constructor(native: NativeDatabase) {
    this.#native = native;
  }

  get(sql: string): Statement {
    let statement = this.#bySql.get(sql);
    if (statement === undefined) {
      statement = new PreparedStatement(this.#native, sql);
      this.#bySql.set(sql, statement);
    }
    return statement;
  }
}

class PreparedStatement implements Statement {
  readonly #native: NativeDatabase;
  readonly #sql: string;
  #forRun: NativeStatement | undefined;
  #forGet: NativeStatement | undefined;
  #forAll: NativeStatement | undefined;

  constructor(native: NativeDatabase, sql: string) {
    this.#native = native;
    this.#sql = sql;
  }

  run(...values: readonly SqlValue[]): { changes: number; lastInsertRowid: number } {
    this.#forRun ??= this.#native.prepare(this.#sql);
    const { changes, lastInsertRowid } = this.#forRun.run(this.#checked(values));
    return { changes, lastInsertRowid: Number(lastInsertRowid) };
  }

  get<Row extends object>(...values: readonly SqlValue[]): Row | undefined {
    this.#forGet ??= this.#native.prepare(this.#sql);
    return this.#forGet.get(this.#checked(values)) as Row | undefined;
  }

  all<Row extends object>(...values: readonly SqlValue[]): Row[] {
    this.#forAll ??= this.#native.prepare(this.#sql);
    const rows = this.#forAll.all(this.#checked(values)) as Record<string, unknown>[];
    for (const row of rows)
      for (const name in row) if (row[name] instanceof ArrayBuffer) row[name] = new Uint8Array(row[name] as ArrayBuffer);
    return rows as Row[];
  }

  #checked(values: readonly SqlValue[]): readonly SqlValue[] {
    for (const [index, value] of values.entries()) {
      const type = typeof value;
      if (type === "string" || type === "number" || type === "bigint" || value === null || value instanceof Uint8Array) continue;
      throw new LydianError("internal", `Parameter ${index + 1} of a statement is ${type}, which SQLite cannot store: ${this.#sql}`);
    }
    return values;
  }
}
