import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "./database.ts";
import type { Migration } from "./migrations.ts";

const migrations: readonly Migration[] = [
  { version: 1, name: "0001-numbers", sql: "CREATE TABLE numbers (n INTEGER PRIMARY KEY, text TEXT, data BLOB) STRICT;" },
];

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ly-database-"));
  path = join(directory, "test.db");
});
afterEach(() => rmSync(directory, { recursive: true }));

const insert = (database: Database, n: number) => database.prepare("INSERT INTO numbers (n) VALUES (?)").run(n);
const numbers = (database: Database) =>
  database
    .prepare("SELECT n FROM numbers ORDER BY n")
    .all<{ n: number }>()
    .map(({ n }) => n);

describe("group commit", () => {
  it("runs the works of one turn in order and resolves each with its result", async () => {
    const database = openDatabase({ path, migrations });
    const order: number[] = [];
    const results = await Promise.all(
      [3, 1, 2].map((n) =>
        database.commit(() => {
          order.push(n);
          insert(database, n);
          return n * 10;
        }),
      ),
    );
    expect({ order, results, stored: numbers(database) }).toEqual({ order: [3, 1, 2], results: [30, 10, 20], stored: [1, 2, 3] });
    database.close();
  });

  it("does nothing before the turn has ended", async () => {
    const database = openDatabase({ path, migrations });
    const done = database.commit(() => insert(database, 1));
    await Promise.resolve();
    expect(numbers(database)).toEqual([]);
    await done;
    expect(numbers(database)).toEqual([1]);
    database.close();
  });

  it("undoes only the works that throw, in any company", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }), async (fails) => {
        const database = openDatabase({ path: ":memory:", migrations });
        const outcomes = await Promise.allSettled(
          fails.map((fail, n) =>
            database.commit(() => {
              insert(database, n);
              if (fail) throw new Error(`work ${n}`);
            }),
          ),
        );
        expect(outcomes.map(({ status }) => status === "rejected")).toEqual(fails);
        expect(numbers(database)).toEqual(fails.flatMap((fail, n) => (fail ? [] : [n])));
        database.close();
      }),
      { numRuns: 50 },
    );
  });

  it("passes what a work throws, and goes on after it", async () => {
    const database = openDatabase({ path, migrations });
    const reason = new Error("mine");
    const failing = database.commit(() => {
      throw reason;
    });
    await expect(failing).rejects.toBe(reason);
    await database.commit(() => insert(database, 7));
    expect(numbers(database)).toEqual([7]);
    database.close();
  });

  it("refuses a work that is not finished when it returns", async () => {
    const database = openDatabase({ path, migrations });
    const late = database.commit(async () => insert(database, 1));
    await expect(late).rejects.toMatchObject({ code: "internal", message: expect.stringContaining("synchronous") });
    expect(numbers(database)).toEqual([]);
    database.close();
  });

  it("keeps what was queued when it closes, and refuses what comes later", async () => {
    const database = openDatabase({ path, migrations });
    const queued = database.commit(() => insert(database, 1));
    database.close();
    await queued;
    await expect(database.commit(() => 1)).rejects.toMatchObject({ code: "unavailable" });
    const again = openDatabase({ path, migrations });
    expect(numbers(again)).toEqual([1]);
    again.close();
  });

  it("answers large commits whose sync is under way when it closes", async () => {
    const database = openDatabase({ path, migrations });
    const many = (from: number) =>
      database.commit(() => {
        for (let n = from; n < from + 10; n++) insert(database, n);
      });
    const first = many(0);
    await new Promise((resolve) => setImmediate(resolve));
    const second = many(10);
    database.close();
    await Promise.all([first, second]);
    const again = openDatabase({ path, migrations });
    expect(numbers(again)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    again.close();
  });

  it("names a broken rule of the schema without ending the group", async () => {
    const database = openDatabase({ path, migrations });
    const [first, second, third] = await Promise.allSettled([1, 1, 2].map((n) => database.commit(() => insert(database, n))));
    expect([first?.status, second?.status, third?.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((second as PromiseRejectedResult).reason).toMatchObject({ code: "internal", message: expect.stringContaining("UNIQUE") });
    database.close();
  });

  it("fails the whole group, and stores nothing of it, when the disk is full", async () => {
    const database = openDatabase({ path, migrations });
    await database.commit(() => insert(database, 1));
    // A limit of pages is the same error as a disk without space.
    database.prepare("PRAGMA max_page_count = 1").get();
    const big = new Uint8Array(1 << 20);
    const works = [
      database.commit(() => insert(database, 2)),
      database.commit(() => database.prepare("INSERT INTO numbers (n, data) VALUES (?, ?)").run(3, big)),
      database.commit(() => insert(database, 4)),
    ];
    for (const outcome of await Promise.allSettled(works)) {
      if (outcome.status === "fulfilled") continue;
      expect(outcome.reason).toMatchObject({ code: "resource_exhausted", message: expect.stringContaining("full") });
    }
    expect((await Promise.allSettled(works))[1]?.status).toBe("rejected");
    const stored = numbers(database);
    const promised = (await Promise.allSettled(works)).flatMap(({ status }, index) => (status === "fulfilled" ? [index + 2] : []));
    expect(stored).toEqual([1, ...promised]);
    database.prepare("PRAGMA max_page_count = 1000000").get();
    await database.commit(() => insert(database, 9));
    database.close();
  });
});

describe("statements", () => {
  it("answer with the parameters of this call, in every mode and order", () => {
    const database = openDatabase({ path, migrations });
    database.transaction(() => {
      for (let n = 1; n <= 9; n++) insert(database, n);
    });
    const above = database.prepare("SELECT n FROM numbers WHERE n > ? ORDER BY n");
    const step = fc.record({ mode: fc.constantFrom("get" as const, "all" as const), than: fc.integer({ min: 0, max: 10 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        for (const { mode, than } of steps) {
          const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((n) => n > than);
          if (mode === "get") expect(above.get<{ n: number }>(than)?.n).toBe(expected[0]);
          else expect(above.all<{ n: number }>(than).map(({ n }) => n)).toEqual(expected);
        }
      }),
    );
    database.close();
  });

  it("give blobs as bytes, one or many", () => {
    const database = openDatabase({ path, migrations });
    const bytes = new Uint8Array([1, 2, 3]);
    database.transaction(() => database.prepare("INSERT INTO numbers (n, data) VALUES (?, ?)").run(1, bytes));
    const select = database.prepare("SELECT data FROM numbers");
    const [one, [many]] = [select.get<{ data: Uint8Array }>(), select.all<{ data: Uint8Array }>()];
    expect(Buffer.from(one?.data ?? []).equals(bytes)).toBe(true);
    expect(many?.data).toBeInstanceOf(Uint8Array);
    expect(Buffer.from(many?.data ?? []).equals(bytes)).toBe(true);
    database.close();
  });

  it.each([[true], [undefined], [{}], [() => 1]])("refuse the parameter %o, which would end the process", (value) => {
    const database = openDatabase({ path, migrations });
    expect(() => database.prepare("SELECT ?").get(value as never)).toThrow("which SQLite cannot store");
    database.close();
  });
});

describe("migrations", () => {
  it("run once each, in order, over restarts", () => {
    openDatabase({ path, migrations }).close();
    const more = [...migrations, { version: 2, name: "0002-more", sql: "ALTER TABLE numbers ADD COLUMN more TEXT;" }];
    openDatabase({ path, migrations: more }).close();
    const database = openDatabase({ path, migrations: more });
    expect(database.prepare("SELECT version, name FROM schema_version").all()).toHaveLength(2);
    expect(database.prepare("SELECT more FROM numbers").all()).toEqual([]);
    database.close();
  });

  it("leave nothing of one that fails", () => {
    const broken = [...migrations, { version: 2, name: "0002-broken", sql: "CREATE TABLE other (x); CREATE TABLE other (x);" }];
    expect(() => openDatabase({ path, migrations: broken })).toThrow(/0002-broken .* failed and was undone/);
    const database = openDatabase({ path, migrations });
    expect(database.prepare("SELECT name FROM sqlite_schema WHERE name = 'other'").all()).toEqual([]);
    database.close();
  });

  it("refuse a database that a newer program wrote, and leave it alone", () => {
    openDatabase({ path, migrations: [...migrations, { version: 2, name: "0002-future", sql: "CREATE TABLE future (x);" }] }).close();
    expect(() => openDatabase({ path, migrations })).toThrow(/it has the schema 0002-future; this program knows those up to 0001-numbers/);
  });

  it("refuse a database of a program that went another way with the same numbers", () => {
    openDatabase({ path, migrations: [...migrations, { version: 2, name: "0002-theirs", sql: "CREATE TABLE same (x);" }] }).close();
    const ours = [...migrations, { version: 2, name: "0002-ours", sql: "CREATE TABLE other (x);" }];
    expect(() => openDatabase({ path, migrations: ours })).toThrow(/another version of Lydian: it has the schema 0002-theirs/);
  });

  it("of the program make a whole schema", () => {
    const database = openDatabase({ path: ":memory:" });
    const tables = database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all<{ name: string }>()
      .map(({ name }) => name);
    expect(tables).toEqual(expect.arrayContaining(["apps", "functions", "calls", "images", "logs"]));
    expect(database.prepare("PRAGMA foreign_key_check").all()).toEqual([]);
    database.close();
  });
});
