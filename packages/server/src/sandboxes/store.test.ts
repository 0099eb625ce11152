import { GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { Environments } from "../identity/environments.ts";
import { ensureWorkspace } from "../identity/first-start.ts";
import { SandboxStore } from "./store.ts";

describe("what is known of sandboxes", () => {
  let database: Database;
  let store: SandboxStore;
  let place: { readonly workspaceId: string; readonly environmentId: string; readonly appId: string };
  beforeEach(async () => {
    database = openDatabase({ path: ":memory:" });
    const environments = new Environments(database);
    const { id: workspaceId } = await ensureWorkspace(database, environments);
    place = { workspaceId, environmentId: environments.require(workspaceId, "").id, appId: "ap-1" };
    database
      .prepare(
        `INSERT INTO apps (id, workspace_id, environment_id, name, description, state, created_at, created_by)
         VALUES ('ap-1', ?, ?, 'a', 'a', 'deployed', 0, 'me')`,
      )
      .run(workspaceId, place.environmentId);
    store = new SandboxStore(database);
  });
  afterEach(() => database.close());

  async function add(at: number, endedAt?: number): Promise<string> {
    const id = `sb-${at}`;
    await store.insert(
      { ...place, name: "", tags: {}, imageId: "im-1", id, taskId: `ta-${at}`, createdAt: at, finishedAt: 0, result: undefined },
      "",
    );
    if (endedAt !== undefined) await store.finish(id, { status: Status.SUCCESS, exitCode: 0, exception: "" }, endedAt);
    return id;
  }
  const kept = (ids: readonly string[]) => ids.filter((id) => store.get(id) !== undefined);

  it("is forgotten when it is old", async () => {
    const ids = [await add(1, 10), await add(2, 20), await add(3)];
    await store.prune(15, 100);
    expect(kept(ids)).toEqual(["sb-2", "sb-3"]);
  });

  it("is forgotten when there is too much, the oldest first, but not of those that live", async () => {
    const ids = [await add(1), await add(2, 20), await add(3, 30), await add(4, 40)];
    await store.prune(0, 2);
    expect(kept(ids)).toEqual(["sb-1", "sb-4"]);
  });
});
