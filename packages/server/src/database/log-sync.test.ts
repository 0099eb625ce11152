import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LogSync } from "./log-sync.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ly-log-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const logOf = (name: string) => {
  writeFileSync(join(directory, `${name}-wal`), "frames");
  return new LogSync(join(directory, name));
};

it("answers commits in their order, also those that come while the disk is busy", async () => {
  const log = logOf("db");
  const order: number[] = [];
  const commit = (n: number) =>
    new Promise<void>((resolve) =>
      log.soon(() => {
        order.push(n);
        resolve();
      }),
    );
  const first = commit(1);
  expect(log.idle).toBe(false);
  const meanwhile = [commit(2), commit(3)];
  // The next sync is under way before anybody hears of the first.
  const after = first.then(() => commit(4));
  await Promise.all([first, ...meanwhile, after]);
  expect(order).toEqual([1, 2, 3, 4]);
  expect(log.idle).toBe(true);
  log.close();
});

it("answers all that wait when it is closed", () => {
  const log = logOf("db");
  const answered: number[] = [];
  for (const n of [1, 2, 3]) log.soon(() => answered.push(n));
  log.close();
  expect(answered).toEqual([1, 2, 3]);
});

it("says that the disk did not store it", () => {
  const log = new LogSync(join(directory, "missing"));
  expect(() => log.now()).toThrow(expect.objectContaining({ code: "data_loss", message: expect.stringContaining("ENOENT") }));
});
