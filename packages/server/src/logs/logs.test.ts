import type { CallContext, TaskLogsBatch } from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Apps } from "../apps/apps.ts";
import { type Database, openDatabase } from "../database/database.ts";
import type { Caller } from "../identity/caller.ts";
import { type LogEntry, type LogLimits, Logs } from "./logs.ts";
import { createLogsRpc } from "./rpc.ts";
import { LogStore } from "./store.ts";

let database: Database;
let errors: unknown[];
beforeEach(() => {
  database = openDatabase({ path: ":memory:" });
  errors = [];
});
afterEach(() => database.close());

const open = (limits: Partial<LogLimits> = {}, now = () => 0) =>
  new Logs({ store: new LogStore(database), onError: (error) => errors.push(error), limits, now });
const line = (text: string, changes: Partial<LogEntry> = {}): LogEntry => ({ appId: "ap-1", fd: 1, text, at: 1, ...changes });
const texts = (logs: Logs, appId = "ap-1", filter = {}) => logs.after(appId, 0, filter).lines.map(({ text }) => text);

describe("log lines", () => {
  it("are stored in order, many at once, without anyone waiting", async () => {
    const logs = open();
    const { commit } = database;
    let commits = 0;
    database.commit = (work) => {
      commits++;
      return commit.call(database, work) as never;
    };
    const expected = Array.from({ length: 500 }, (_, n) => `line ${n}\n`);
    for (const text of expected) logs.append(line(text));
    expect(texts(logs)).toEqual([]);
    await logs.flush();
    expect({ stored: texts(logs), commits }).toEqual({ stored: expected, commits: 1 });
    expect(texts(open())).toEqual(expected);
  });

  it("are found by app, container, function, call, input and stream", async () => {
    const logs = open();
    logs.append(line("a", { taskId: "ta-1", functionId: "fu-1", callId: "fc-1", inputId: "in-1", fd: 2 }));
    logs.append(line("b", { taskId: "ta-2" }));
    logs.append(line("c", { appId: "ap-2" }));
    await logs.flush();
    for (const filter of [{ taskId: "ta-1" }, { functionId: "fu-1" }, { callId: "fc-1" }, { inputId: "in-1" }, { fd: 2 }])
      expect(texts(logs, "ap-1", filter)).toEqual(["a"]);
    expect(texts(logs)).toEqual(["a", "b"]);
  });

  it("are cut when they are too long, with a mark", async () => {
    const logs = open({ lineCharacters: 10 });
    logs.append(line("0123456789abc"));
    await logs.flush();
    expect(texts(logs)).toEqual(["0123456789 … (cut)\n"]);
  });

  it("go, the oldest first, when the app has too many or too much", async () => {
    const [few, small] = [open({ appLines: 1_000 }), open({ appBytes: 100_000 })];
    for (let n = 0; n < 1_500; n++) few.append(line(String(n)));
    await few.flush();
    const kept = few.after("ap-1", 0, {}).lines.map(({ text }) => Number(text));
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => 1_500 - kept.length + index));
    expect(kept.length).toBe(1_000);
    for (let n = 0; n < 300; n++) small.append(line("x".repeat(1_000), { appId: "ap-2" }));
    await small.flush();
    expect(texts(small, "ap-2").length).toBeLessThanOrEqual(100);
    expect(texts(small, "ap-1").length).toBe(1_000);
  });

  it("are dropped, and counted in a line of their own, when they come faster than they can be stored", async () => {
    const logs = open({ pendingCharacters: 10 });
    for (const text of ["12345", "67890", "too", "much"]) logs.append(line(text));
    await logs.flush();
    expect(texts(logs)).toEqual(["12345", "67890", "2 lines were dropped here: they came faster than they could be stored.\n"]);
  });

  it("do not stop coming when some could not be stored", async () => {
    const logs = open();
    const { commit } = database;
    database.commit = () => Promise.reject(new Error("the disk is full"));
    logs.append(line("lost"));
    await logs.flush();
    database.commit = commit;
    logs.append(line("kept"));
    await logs.flush();
    expect({ stored: texts(logs), errors: errors.length }).toEqual({ stored: ["kept"], errors: 1 });
  });

  it("of stopped apps are removed after a week", async () => {
    const day = 86_400_000;
    await database.commit(() => {
      database.prepare("INSERT INTO workspaces (id, name, created_at) VALUES ('ac-1', 'one', 0)").run();
      database.prepare("INSERT INTO environments (id, workspace_id, name, created_at) VALUES ('en-1', 'ac-1', 'main', 0)").run();
      const insert = database.prepare(
        "INSERT INTO apps (id, workspace_id, environment_id, name, description, state, created_at, created_by, stopped_at) VALUES (?, 'ac-1', 'en-1', '', '', ?, 0, '', ?)",
      );
      insert.run("ap-old", "stopped", 0);
      insert.run("ap-new", "stopped", 7 * day);
      insert.run("ap-live", "ephemeral", null);
    });
    const logs = open({}, () => 8 * day);
    for (const appId of ["ap-old", "ap-new", "ap-live"]) logs.append(line("a", { appId }));
    await logs.flush();
    await logs.sweep();
    expect(["ap-old", "ap-new", "ap-live"].map((appId) => texts(logs, appId).length)).toEqual([0, 1, 1]);
  });
});

describe("following an app", () => {
  let state: "ephemeral" | "stopped";
  let logs: Logs;
  let end: AbortController;
  beforeEach(() => {
    state = "ephemeral";
    logs = open();
    end = new AbortController();
  });

  function follow(request: Record<string, unknown> = {}): AsyncIterator<TaskLogsBatch> {
    const apps = { require: () => ({}), get: () => ({ state }) } as unknown as Apps;
    const handler = createLogsRpc({ logs, apps }).appGetLogs;
    if (!handler) throw new Error("no handler");
    const whole = {
      appId: "ap-1",
      timeout: 55,
      lastEntryId: "",
      functionId: "",
      inputId: "",
      taskId: "",
      functionCallId: "",
      fileDescriptor: 0,
    };
    const context = { caller: { kind: "client", workspaceId: "ac-1" }, signal: end.signal, draining: new AbortController().signal };
    const batches = handler({ ...whole, ...request } as never, context as unknown as CallContext<Caller>);
    return batches[Symbol.asyncIterator]() as AsyncIterator<TaskLogsBatch>;
  }

  it("gives what there is, then what comes, then the end", async () => {
    logs.append(line("one"));
    await logs.flush();
    const batches = follow();
    expect((await batches.next()).value).toMatchObject({ items: [{ data: "one", fileDescriptor: 1 }] });
    const next = batches.next();
    logs.append(line("two"));
    expect((await next).value).toMatchObject({ items: [{ data: "two" }] });
    const last = batches.next();
    logs.append(line("three"));
    await logs.flush();
    state = "stopped";
    logs.forget("ap-1");
    expect((await last).value).toMatchObject({ items: [{ data: "three" }] });
    expect((await batches.next()).value).toEqual({ appDone: true });
    expect((await batches.next()).done).toBe(true);
  });

  it("goes on after the cursor of an earlier stream", async () => {
    for (const text of ["one", "two"]) {
      logs.append(line(text));
      await logs.flush();
    }
    const first = await follow().next();
    expect(first.value.items).toHaveLength(2);
    logs.append(line("three"));
    await logs.flush();
    const second = await follow({ lastEntryId: first.value.entryId }).next();
    expect(second.value.items.map((item: { data: string }) => item.data)).toEqual(["three"]);
  });

  it("does not read again what its filter leaves out", async () => {
    const places: number[] = [];
    const { after } = logs;
    logs.after = (appId, place, filter) => {
      places.push(place);
      return after.call(logs, appId, place, filter);
    };
    const next = follow({ taskId: "ta-2" }).next();
    for (const taskId of ["ta-1", "ta-1", "ta-2"]) {
      logs.append(line("x", { taskId }));
      await logs.flush();
    }
    expect((await next).value).toMatchObject({ taskId: "ta-2" });
    // Nothing, the first line, the second, the third: each is read past once.
    expect(places).toEqual([0, 0, 1, 2]);
  });

  it("only tells what there is without a time to wait", async () => {
    logs.append(line("one"));
    await logs.flush();
    const batches = follow({ timeout: 0 });
    expect((await batches.next()).value).toMatchObject({ items: [{ data: "one" }] });
    expect((await batches.next()).done).toBe(true);
  });

  it("ends when the client is gone", async () => {
    const next = follow().next();
    end.abort();
    expect((await next).done).toBe(true);
  });

  it("refuses a cursor that is none", async () => {
    await expect(follow({ lastEntryId: "1-0" }).next()).rejects.toMatchObject({ code: "invalid_argument" });
  });
});
