// Brings a database to the newest schema, one transaction per migration, and never guesses about one from the future.
import { LydianError } from "@lydian/protocol";
import type { Migration } from "./migrations.ts";
import type { NativeDatabase } from "./statement.ts";

export function migrate(native: NativeDatabase, migrations: readonly Migration[], path: string): void {
  native.exec(
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
  );
  const applied = new Map(
    native
      .prepare("SELECT version, name FROM schema_version")
      .all([])
      .map((row) => row as { version: number; name: string })
      .map(({ version, name }) => [version, name]),
  );
  const known = new Map(migrations.map(({ version, name }) => [version, name]));
  const foreign = [...applied].filter(([version, name]) => known.get(version) !== name);
  if (foreign.length > 0) {
    const newest = migrations.at(-1)?.name ?? "none";
    const names = foreign.map(([, name]) => name).join(", ");
    const message = `The database ${path} was written by another version of Lydian: it has the schema ${names}; this program knows those up to ${newest}.`;
    throw new LydianError("failed_precondition", message, {
      hint: "Start the Lydian version that wrote it (or a newer one), or give another data directory.",
    });
  }
  for (const { version, name, sql } of migrations) {
    if (applied.has(version)) continue;
    native.exec("BEGIN IMMEDIATE");
    try {
      native.exec(sql);
      native.prepare("INSERT INTO schema_version (version, name, applied_at) VALUES (?, ?, ?)").run([version, name, Date.now()]);
      native.exec("COMMIT");
    } catch (error) {
      if (native.inTransaction) native.exec("ROLLBACK");
      const reason = error instanceof Error ? error.message : String(error);
      throw new LydianError("internal", `Migration ${name} of the database ${path} failed and was undone: ${reason}`, { cause: error });
    }
  }
}
