// A process that commits without end and says what was acknowledged. The crash test kills it.
import { openDatabase } from "./database.ts";

const database = openDatabase({
  path: process.argv[2] ?? "",
  migrations: [{ version: 1, name: "0001-numbers", sql: "CREATE TABLE numbers (n INTEGER PRIMARY KEY, writer INTEGER NOT NULL) STRICT;" }],
});
const insert = database.prepare("INSERT INTO numbers (n, writer) VALUES (?, ?)");
const WRITERS = 8;

async function write(writer: number): Promise<never> {
  for (let n = writer; ; n += WRITERS) {
    await database.commit(() => insert.run(n, writer));
    process.stdout.write(`${n}\n`);
  }
}

for (let writer = 0; writer < WRITERS; writer++) void write(writer);
