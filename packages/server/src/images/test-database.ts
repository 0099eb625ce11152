// A database with what the tests of images, mounts and blobs need.
import { readFile } from "node:fs/promises";
import { type Database, openDatabase } from "../database/database.ts";

/** In memory, with the workspaces ac-1 and ac-2. */
export async function openTestDatabase(): Promise<Database> {
  const migrations = await Promise.all(
    ["0001-core", "0003-images-mounts-blobs"].map(async (name, index) => ({
      version: index + 1,
      name,
      sql: await readFile(new URL(`../database/migrations/${name}.sql`, import.meta.url), "utf8"),
    })),
  );
  const database = openDatabase({ path: ":memory:", migrations });
  for (const id of ["ac-1", "ac-2"])
    await database.commit(() => database.prepare("INSERT INTO workspaces (id, name, created_at) VALUES (?, ?, 0)").run(id, id));
  return database;
}
