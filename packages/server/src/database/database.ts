// The embedded database and its group commit.
//
// A durable write costs one sync of the disk, whatever its size. So works that arrive in one turn of the event loop share a
// transaction, and transactions that come while the disk is busy share the next sync: hundreds of calls cost one together,
// and none is acknowledged before it.
// Each work runs in a savepoint of its own, so one that throws takes nothing with it but itself.
import { LydianError } from "@lydian/protocol";
import Libsql from "libsql";
import { LogSync } from "./log-sync.ts";
import { migrate } from "./migrate.ts";
import { MIGRATIONS, type Migration } from "./migrations.ts";
import { type NativeDatabase, type Statement, StatementCache } from "./statement.ts";

export type { SqlValue, Statement } from "./statement.ts";

export interface Database {
  /** A statement by its text, compiled once. Text must be constant: the cache never forgets. */
  prepare(sql: string): Statement;
  /**
   * Runs `work` in the next group commit and resolves with its result once that is durable. Reads and works that come later see
   * what it wrote at once; none of them that writes is durable before it.
   * `work` is synchronous. When it throws, its own writes are undone and the promise rejects with what it threw.
   * When the commit itself fails (a full disk), every work in it rejects and nothing of them remains.
   */
  commit<T>(work: () => T): Promise<T>;
  /** Runs `work` in a durable transaction of its own, now. It blocks for a sync: for start and stop only. */
  transaction<T>(work: () => T): T;
  /** Commits what is queued, then closes. Later commits are refused. */
  close(): void;
}

export interface DatabaseOptions {
  /** A file, created when missing; `:memory:` for tests. */
  readonly path: string;
  /** Default: all of this program's. */
  readonly migrations?: readonly Migration[];
}

/** Opens the database and brings its schema up to date. Throws `failed_precondition` when a newer program wrote it. */
export function openDatabase(options: DatabaseOptions): Database {
  const native: NativeDatabase = new Libsql(options.path);
  try {
    // The log is synced by us.
    for (const pragma of ["busy_timeout = 5000", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"]) native.pragma(pragma);
    for (const pragma of ["cache_size = -65536", "temp_store = MEMORY", "journal_size_limit = 67108864"]) native.pragma(pragma);
    migrate(native, options.migrations ?? MIGRATIONS, options.path);
  } catch (error) {
    native.close();
    throw storageError(error);
  }
  return new GroupCommitDatabase(native, options.path === IN_MEMORY ? undefined : new LogSync(options.path));
}

const IN_MEMORY = ":memory:";
/** So few are mostly all that the server has to do: it waits for the disk itself, which is sooner over than another thread is asked. */
const FEW_ROWS = 4;

interface QueuedWork {
  readonly work: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

class GroupCommitDatabase implements Database {
  readonly #native: NativeDatabase;
  readonly #statements: StatementCache;
  readonly #log: LogSync | undefined;
  #queue: QueuedWork[] = [];
  #scheduled = false;
  #closed = false;

  constructor(native: NativeDatabase, log: LogSync | undefined) {
    this.#native = native;
    this.#log = log;
    this.#statements = new StatementCache(native);
  }

  prepare(sql: string): Statement {
    return this.#statements.get(sql);
  }

  commit<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(new LydianError("unavailable", "The server is stopping: its database is closed."));
      this.#queue.push({ work, resolve: resolve as (value: never) => void, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      // The check phase follows the poll phase: every request that was read in this turn is in the queue by then.
      setImmediate(() => this.#flush());
    });
  }

  transaction<T>(work: () => T): T {
    this.#begin();
    try {
      const value = requireSynchronous(work());
      this.prepare("COMMIT").run();
      this.#log?.now();
      return value;
    } catch (error) {
      this.#rollback();
      throw storageError(error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#log?.close();
    this.#native.close();
  }

  #flush(): void {
    this.#scheduled = false;
    const group = this.#queue;
    if (group.length === 0) return;
    this.#queue = [];
    let outcomes: Outcome[];
    const rowsBefore = this.#writtenRows();
    try {
      this.#begin();
      outcomes = group.length === 1 ? group.map((queued) => this.#runAlone(queued)) : group.map((queued) => this.#runInSavepoint(queued));
      this.prepare("COMMIT").run();
    } catch (error) {
      this.#rollback();
      const reason = storageError(error);
      for (const queued of group) queued.reject(reason);
      return;
    }
    const log = this.#log;
    const rows = this.#writtenRows() - rowsBefore;
    if (log !== undefined && !(log.idle && rows <= FEW_ROWS)) {
      log.soon(() => settle(group, outcomes));
      return;
    }
    if (rows > 0) log?.now();
    settle(group, outcomes);
  }

  /** By this connection so far. */
  #writtenRows(): number {
    return this.prepare("SELECT total_changes() AS rows").get<{ rows: number }>()?.rows ?? 0;
  }

  #begin(): void {
    this.prepare("BEGIN IMMEDIATE").run();
  }

  /** After a failed BEGIN, or an error that made SQLite roll back by itself, there is nothing left to undo. */
  #rollback(): void {
    if (this.#native.inTransaction) this.prepare("ROLLBACK").run();
  }

  /** The usual case of a quiet server: the transaction is the savepoint. */
  #runAlone(queued: QueuedWork): Outcome {
    try {
      return { ok: true, value: requireSynchronous(queued.work()) };
    } catch (error) {
      this.#rollback();
      this.#begin();
      return { ok: false, error };
    }
  }

  #runInSavepoint(queued: QueuedWork): Outcome {
    this.prepare("SAVEPOINT work").run();
    try {
      const value = requireSynchronous(queued.work());
      this.prepare("RELEASE work").run();
      return { ok: true, value };
    } catch (error) {
      // A full disk makes SQLite end the whole transaction: nothing of the group can be kept, so the group fails.
      if (!this.#native.inTransaction) throw error;
      this.prepare("ROLLBACK TO work").run();
      this.prepare("RELEASE work").run();
      return { ok: false, error };
    }
  }
}

function settle(group: readonly QueuedWork[], outcomes: readonly Outcome[]): void {
  for (const [index, queued] of group.entries()) {
    const outcome = outcomes[index];
    if (outcome?.ok) queued.resolve(outcome.value as never);
    else queued.reject(storageError(outcome?.error));
  }
}

function requireSynchronous<T>(value: T): T {
  if (value instanceof Promise) {
    value.catch(() => undefined);
    throw new LydianError("internal", "A database work returned a promise; it must finish before the commit, so it must be synchronous.");
  }
  return value;
}

/** What SQLite says, in words that tell whose fault it is. Other errors pass unchanged. */
function storageError(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!(error instanceof Error) || !code.startsWith("SQLITE_")) return error;
  if (code.startsWith("SQLITE_FULL") || /disk is full|No space left/i.test(error.message)) {
    const message = "The disk of the data directory is full: nothing of this request was stored.";
    return new LydianError("resource_exhausted", message, { cause: error, hint: "Free space on that disk and try again." });
  }
  if (code.startsWith("SQLITE_BUSY")) {
    return new LydianError("unavailable", "Another process holds the database for more than 5 s.", { cause: error });
  }
  return new LydianError("internal", `The database failed: ${error.message} (${code}).`, { cause: error });
}
