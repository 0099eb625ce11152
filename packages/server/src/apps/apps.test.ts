import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { Apps, type NewApp } from "./apps.ts";
import { AppStore } from "./store.ts";

let database: Database;
let now: number;
let errors: string[];
let apps: Apps;
const open = () =>
  new Apps(
    new AppStore(database),
    (what) => errors.push(what),
    () => now,
  );

beforeEach(async () => {
  database = openDatabase({ path: ":memory:" });
  await database.commit(() => {
    database.prepare("INSERT INTO workspaces (id, name, created_at) VALUES ('ac-1', 'one', 0)").run();
    database.prepare("INSERT INTO environments (id, workspace_id, name, created_at) VALUES ('en-1', 'ac-1', 'main', 0)").run();
  });
  now = 1_000_000;
  errors = [];
  apps = open();
});
afterEach(() => database.close());

const anApp = (changes: Partial<NewApp> = {}): NewApp => ({
  workspaceId: "ac-1",
  environmentId: "en-1",
  description: "hello",
  state: "ephemeral",
  createdBy: "ak-1",
  tags: {},
  idempotencyKey: "",
  ...changes,
});

describe("creating apps", () => {
  it("makes one app of a request that is repeated, also at once and after a restart", async () => {
    const [first, second] = await Promise.all([apps.create(anApp({ idempotencyKey: "k" })), apps.create(anApp({ idempotencyKey: "k" }))]);
    expect(second.id).toBe(first.id);
    expect((await open().create(anApp({ idempotencyKey: "k" }))).id).toBe(first.id);
    expect((await apps.create(anApp({ idempotencyKey: "other" }))).id).not.toBe(first.id);
    expect((await apps.create(anApp())).id).not.toBe((await apps.create(anApp())).id);
  });

  it("takes a key for new after an hour", async () => {
    const first = await apps.create(anApp({ idempotencyKey: "k" }));
    now += 3_600_001;
    expect((await apps.create(anApp({ idempotencyKey: "k" }))).id).not.toBe(first.id);
  });

  it("keeps them over a restart", async () => {
    const { id } = await apps.create(anApp({ tags: { team: "a" } }));
    await apps.publish(id, "publish-ephemeral", () => ({ name: "name" }));
    expect(open().get(id)).toMatchObject({ id, description: "hello", name: "name", state: "ephemeral", tags: { team: "a" } });
  });

  it("does not know apps of other workspaces", async () => {
    const { id } = await apps.create(anApp());
    expect(() => apps.require(id, "ac-2")).toThrow(expect.objectContaining({ code: "not_found" }));
  });
});

describe("stopping apps", () => {
  it("waits for everything that belongs to the app, then tells that it is over", async () => {
    const { id } = await apps.create(anApp());
    const happened: string[] = [];
    let finish = () => {};
    apps.onStopping(async (appId, reason) => {
      happened.push(`stopping ${appId} ${reason}`);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      happened.push("emptied");
    });
    apps.onStopped((appId) => happened.push(`stopped ${appId}`));
    const [one, two] = [apps.stop(id, "because"), apps.stop(id, "again")];
    await expect.poll(() => happened.length).toBe(1);
    expect(apps.get(id)?.state).toBe("stopping");
    expect(() => apps.requireLive(id, "ac-1")).toThrow(`The app ${id} was stopped: because`);
    finish();
    await Promise.all([one, two]);
    expect(happened).toEqual([`stopping ${id} because`, "emptied", `stopped ${id}`]);
    expect(apps.get(id)).toMatchObject({ state: "stopped", stopReason: "because", stoppedAt: now });
  });

  it("is over for the client although a part could not be ended, and says so in the server's log", async () => {
    const { id } = await apps.create(anApp());
    apps.onStopping(() => Promise.reject(new Error("no")));
    await apps.stop(id, "because");
    expect(apps.get(id)?.state).toBe("stopped");
    expect(errors).toEqual([`a part of the app ${id} could not be ended`]);
  });

  it("ends an app although its end cannot be stored", async () => {
    const { id } = await apps.create(anApp());
    const ended: string[] = [];
    apps.onStopping(async (appId) => void ended.push(appId));
    apps.onStopped((appId) => ended.push(appId));
    const store = database.commit;
    database.commit = () => Promise.reject(new Error("the disk is full"));
    await apps.stop(id, "because");
    database.commit = store;
    expect(ended).toEqual([id, id]);
    expect(apps.isLive(id)).toBe(false);
    expect(errors).toHaveLength(2);
  });

  it("is finished by the next server when one dies in the middle", async () => {
    const { id } = await apps.create(anApp());
    apps.onStopping(() => new Promise(() => {}));
    void apps.stop(id, "because");
    await expect.poll(() => database.prepare("SELECT state FROM apps").get<{ state: string }>()?.state).toBe("stopping");
    const next = open();
    const ended: string[] = [];
    next.onStopped((appId) => ended.push(appId));
    next.start();
    await expect.poll(() => ended).toEqual([id]);
    next.close();
    expect(next.get(id)).toMatchObject({ state: "stopped", stopReason: "because" });
  });
});

describe("clients that fall silent", () => {
  const advance = (seconds: number) => {
    for (let passed = 0; passed < seconds; passed += 5) {
      now += 5_000;
      apps.stopSilent();
    }
  };

  it("lose their app after a minute, with that reason; detached apps live on", async () => {
    const [ephemeral, heard, detached] = [
      await apps.create(anApp()),
      await apps.create(anApp()),
      await apps.create(anApp({ state: "detached" })),
    ];
    advance(55);
    apps.heartbeat(heard.id);
    advance(15);
    await expect.poll(() => apps.get(ephemeral.id)?.state).toBe("stopped");
    expect(apps.get(ephemeral.id)?.stopReason).toBe("Its client was silent for more than 60 s.");
    expect([apps.isLive(heard.id), apps.isLive(detached.id)]).toEqual([true, true]);
  });

  it("are given their minute anew when it was the machine that slept", async () => {
    const { id } = await apps.create(anApp());
    now += 8 * 3_600_000;
    apps.stopSilent();
    expect(apps.isLive(id)).toBe(true);
    advance(70);
    await expect.poll(() => apps.get(id)?.state).toBe("stopped");
  });
});

it("lists what lives before what is over", async () => {
  const old = await apps.create(anApp({ description: "old but alive" }));
  now += 1_000;
  const over = await apps.create(anApp({ description: "newer, over" }));
  await apps.stop(over.id, "because");
  expect(apps.list("en-1").map(({ id }) => id)).toEqual([old.id, over.id]);
  expect(apps.list("en-2")).toEqual([]);
});
