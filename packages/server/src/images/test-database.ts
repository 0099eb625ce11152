import { type Database, openDatabase } from "../database/database.ts";

/** In memory, with the workspaces ac-1 and ac-2. */
export async function openTestDatabase(): Promise<Database> {
  const database = openDatabase({ path: ":memory:" });
  for (const id of ["ac-1", "ac-2"])
    await database.commit(() => database.prepare("INSERT INTO workspaces (id, name, created_at) VALUES (?, ?, 0)").run(id, id));
  return database;
}
