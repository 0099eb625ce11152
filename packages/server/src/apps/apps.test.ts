import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { Environments } from "../identity/environments.ts";
import { ensureWorkspace } from "../identity/first-start.ts";
import { type AppEvent, type AppState, isLive, nextAppState } from "./app-state.ts";
import { Apps, type NewApp } from "./apps.ts";
import { AppStore } from "./store.ts";

describe("states of an app", () => {
  it("never lead from stopped back to life", () => {
    const states = fc.constantFrom<AppState>("initializing", "ephemeral", "detached");
    const events = fc.array(fc.constantFrom<AppEvent>("publish-ephemeral", "publish-detached", "stop", "emptied"));
    fc.assert(
      fc.property(states, events, (first, all) => {
        let state = first;
        let stopped = false;
        for (const event of all) {
          state = nextAppState(state, event) ?? state;
          stopped ||= event === "stop";
          expect(isLive(state)).toBe(!stopped);
        }
      }),
    );
  });
});

describe("Apps", () => {
  let database: Database;
  let template: NewApp;
  const errors: unknown[] = [];
  const open = () => new Apps(new AppStore(database), { onError: (error) => errors.push(error) });

  beforeEach(async () => {
    errors.length = 0;
    database = openDatabase({ path: ":memory:" });
    const environments = new Environments(database);
    const workspaceId = (await ensureWorkspace(database, environments)).id;
    const environmentId = environments.require(workspaceId, "").id;
    template = {
      workspaceId,
      environmentId,
      description: "test",
      state: "ephemeral",
      createdBy: "ak-1",
      tags: { a: "b" },
      idempotencyKey: "",
    };
  });
  afterEach(() => database.close());

  it("makes one app for one key, at the same time, later and after a restart", async () => {
    const apps = open();
    const app = { ...template, idempotencyKey: "key" };
    const [first, second] = await Promise.all([apps.create(app), apps.create(app)]);
    expect(second.id).toBe(first.id);
    expect((await apps.create(app)).id).toBe(first.id);
    expect((await open().create(app)).id).toBe(first.id);
    expect((await apps.create(template)).id).not.toBe(first.id);
  });

  it("counts as stopped after everything of it has ended, and remembers why", async () => {
    const apps = open();
    const { id, workspaceId } = await apps.create(template);
    const order: string[] = [];
    apps.onStopping(async () => {
      order.push(`containers end while ${apps.get(id)?.state}`);
    });
    apps.onStopped(() => order.push(`${apps.get(id)?.state}`));
    await Promise.all([apps.stop(id, "asked to"), apps.stop(id, "asked again")]);
    expect(order).toEqual(["containers end while stopping", "stopped"]);
    expect(apps.isLive(id)).toBe(false);
    expect(() => apps.requireLive(id, workspaceId)).toThrow("was stopped: asked to");
    expect(open().get(id)).toMatchObject({ state: "stopped", stopReason: "asked to" });
  });

  it("stops although something of it could not be ended, and tells that", async () => {
    const apps = open();
    const { id } = await apps.create(template);
    apps.onStopping(() => Promise.reject(new Error("stuck")));
    await apps.stop(id, "asked to");
    expect(apps.get(id)?.state).toBe("stopped");
    expect(errors).toEqual([new Error("stuck")]);
  });

  it("ends after a restart what was being stopped before it", async () => {
    const { id } = await open().create(template);
    database.transaction(() => database.prepare("UPDATE apps SET state = 'stopping', stop_reason = 'crash' WHERE id = ?").run(id));
    const apps = open();
    const stopped = new Promise((resolve) => apps.onStopped(resolve));
    apps.start();
    expect(await stopped).toBe(id);
    apps.close();
    expect(apps.get(id)).toMatchObject({ state: "stopped", stopReason: "crash" });
  });

  it("hides the apps of other workspaces", async () => {
    const apps = open();
    const { id } = await apps.create(template);
    expect(() => apps.require(id, "ac-other")).toThrow(`There is no app "${id}"`);
  });
});
