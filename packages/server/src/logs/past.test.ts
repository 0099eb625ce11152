import {
  AppCountLogsRequestSchema,
  AppFetchLogsRequestSchema,
  type CallContext,
  create,
  type MessageInitShape,
  timestampFromMs,
  timestampMs,
} from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Apps } from "../apps/apps.ts";
import { type Database, openDatabase } from "../database/database.ts";
import type { Caller } from "../identity/caller.ts";
import { type LogEntry, Logs } from "./logs.ts";
import { createLogsRpc } from "./rpc.ts";
import { LogStore } from "./store.ts";

const context = { caller: { kind: "client", workspaceId: "ac-1" } } as unknown as CallContext<Caller>;

let database: Database;
let logs: Logs;
beforeEach(async () => {
  database = openDatabase({ path: ":memory:" });
  logs = new Logs({ store: new LogStore(database), onError: () => {} });
  const print = (at: number, text: string, changes: Partial<LogEntry> = {}) => logs.append({ appId: "ap-1", fd: 1, text, at, ...changes });
  print(1_000, "one\n");
  print(2_000, "two\n", { fd: 2, taskId: "ta-1", functionId: "fu-1" });
  print(2_500, "three\n", { taskId: "ta-1", functionId: "fu-1" });
  print(9_999, "four\n");
  print(2_000, "other\n", { appId: "ap-2" });
  await logs.flush();
});
afterEach(() => database.close());

const rpc = () => createLogsRpc({ logs, apps: { require: () => ({}) } as unknown as Apps });

async function fetched(request: MessageInitShape<typeof AppFetchLogsRequestSchema>): Promise<string[]> {
  const response = await rpc().appFetchLogs?.(create(AppFetchLogsRequestSchema, { appId: "ap-1", ...request } as never), context);
  return (response?.batches ?? []).flatMap(({ items = [] }) => items.map(({ data = "" }) => data.trim()));
}

async function counted(request: MessageInitShape<typeof AppCountLogsRequestSchema>): Promise<number[][]> {
  const response = await rpc().appCountLogs?.(create(AppCountLogsRequestSchema, { appId: "ap-1", ...request } as never), context);
  return (response?.buckets ?? []).map(({ bucketStartAt, stdoutLogs = 0n, stderrLogs = 0n }) => [
    timestampMs(bucketStartAt as never),
    Number(stdoutLogs),
    Number(stderrLogs),
  ]);
}

describe("past lines of an app", () => {
  it("are those of a window of time, oldest first, with its end left out", async () => {
    expect(await fetched({})).toEqual(["one", "two", "three", "four"]);
    expect(await fetched({ since: timestampFromMs(2_000), until: timestampFromMs(9_999) })).toEqual(["two", "three"]);
  });

  it("are the last ones when there are more than asked for", async () => {
    expect(await fetched({ limit: 2 })).toEqual(["three", "four"]);
  });

  it("can be asked for by stream, container, function and text", async () => {
    expect(await fetched({ source: 2 })).toEqual(["two"]);
    expect(await fetched({ taskId: "ta-1" })).toEqual(["two", "three"]);
    expect(await fetched({ functionId: "fu-1", searchText: "thr" })).toEqual(["three"]);
    expect(await fetched({ functionId: "fu-0", parametrizedFunctionId: "fu-1" })).toEqual(["two", "three"]);
  });

  it("are counted by parts that begin at multiples of their length, empty ones too", async () => {
    const window = { since: timestampFromMs(1_500), until: timestampFromMs(9_000) };
    expect(await counted({ ...window, bucketSecs: 2 })).toEqual([
      [0, 0, 0],
      [2_000, 1, 1],
      [4_000, 0, 0],
      [6_000, 0, 0],
      [8_000, 0, 0],
    ]);
  });

  it("are not counted by no length, or by too many parts", async () => {
    for (const bucketSecs of [0, 1]) {
      await expect(counted({ since: timestampFromMs(0), until: timestampFromMs(1e9), bucketSecs })).rejects.toMatchObject({
        code: "invalid_argument",
      });
    }
  });
});
