import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, FunctionSchema$, toBinary } from "@lydian/protocol";
import { expect, it } from "vitest";
import { openDatabase } from "../database/database.ts";
import { MIGRATIONS } from "../database/migrations.ts";
import { FunctionStore } from "./store.ts";

it("functions of a database from before definitions had ids keep theirs", async () => {
  const dir = mkdtempSync(join(tmpdir(), "lydian-definitions-"));
  try {
    const path = join(dir, "lydian.db");
    const old = openDatabase({ path, migrations: MIGRATIONS.filter(({ version }) => version < 5) });
    await old.commit(() => {
      old.prepare("INSERT INTO workspaces (id, name, created_at) VALUES ('ac-1', 'one', 0)").run();
      old.prepare("INSERT INTO environments (id, workspace_id, name, created_at) VALUES ('en-1', 'ac-1', 'main', 0)").run();
      const app = "INSERT INTO apps (id, workspace_id, environment_id, name, description, state, created_at, created_by)";
      old.prepare(`${app} VALUES ('ap-1', 'ac-1', 'en-1', '', '', 'detached', 0, '')`).run();
      const fn = old.prepare("INSERT INTO functions (id, app_id, name, definition, published, created_at) VALUES (?, 'ap-1', ?, ?, ?, 0)");
      fn.run("fu-1", "hello", toBinary(FunctionSchema$, create(FunctionSchema$, { functionName: "hello", timeoutSecs: 5 })), 1);
      fn.run("fu-2", "reserved", null, 0);
    });
    old.close();
    const database = openDatabase({ path });
    const store = new FunctionStore(database);
    expect(store.get("fu-1")).toMatchObject({ name: "hello", current: { id: "de-1", definition: { timeoutSecs: 5 } } });
    expect(store.get("fu-2")?.current).toBeUndefined();
    expect(store.published("ap-1")).toEqual([{ id: "fu-1", name: "hello", definitionId: "de-1" }]);
    expect(await store.define("fu-1", create(FunctionSchema$, { functionName: "hello" }))).toMatch(/^de-/);
    database.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
