import { type Database, openDatabase } from "../database/database.ts";
import { Seal } from "../secrets/seal.ts";
import { Secrets } from "../secrets/secrets.ts";
import { SecretStore } from "../secrets/store.ts";

/** In memory, with the workspaces ac-1 and ac-2, and an environment in each: en-1 and en-2. */
export async function openTestDatabase(): Promise<Database> {
  const database = openDatabase({ path: ":memory:" });
  for (const id of ["1", "2"])
    await database.commit(() => {
      database.prepare("INSERT INTO workspaces (id, name, created_at) VALUES (?, ?, 0)").run(`ac-${id}`, `ac-${id}`);
      database
        .prepare("INSERT INTO environments (id, workspace_id, name, is_default, created_at) VALUES (?, ?, 'main', 1, 0)")
        .run(`en-${id}`, `ac-${id}`);
    });
  return database;
}

/** Those of a database, under one and the same key. */
export function testSecrets(database: Database, { key = Buffer.alloc(32), now = Date.now } = {}): Secrets {
  const onError = (what: string, error: unknown) => {
    throw new Error(what, { cause: error });
  };
  return new Secrets({ store: new SecretStore(database), seal: new Seal(key), onError, now });
}
