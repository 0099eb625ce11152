import { type Handlers, LydianError, type ModalClient, type Timestamp, timestampFromMs, timestampMs } from "@lydian/protocol";
import type { Apps } from "../apps/apps.ts";
import type { Caller } from "../identity/caller.ts";
import type { LogFilter, Logs, LogWindow } from "./logs.ts";
import type { StoredLog } from "./store.ts";

export interface LogsRpcDependencies {
  readonly logs: Logs;
  readonly apps: Apps;
}

const MAX_HOLD_SECONDS = 55;
const MAX_FETCHED = 20_000;
/** Parts that a window of time is counted by. */
const MAX_PARTS = 10_000;

export function createLogsRpc({ logs, apps }: LogsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  return {
    async *appGetLogs(request, { caller, signal, draining }) {
      const { appId } = request;
      apps.require(appId, caller.workspaceId);
      const filter = filterOf(request);
      const until = Date.now() + Math.min(Math.max(0, request.timeout), MAX_HOLD_SECONDS) * 1000;
      let place = cursorOf(request.lastEntryId);
      for (;;) {
        // Asked before the lines are read: what a stopped app printed is stored by the time it counts as stopped.
        const isOver = apps.get(appId)?.state === "stopped";
        const { lines, place: next } = logs.after(appId, place, filter);
        place = next;
        if (lines.length > 0) {
          yield* batches(lines);
          continue;
        }
        if (isOver) {
          yield { appDone: true };
          return;
        }
        const restMs = until - Date.now();
        if (restMs <= 0 || signal.aborted || draining.aborted) return;
        await logs.changed(appId).wait(restMs, signal, draining);
      }
    },

    appFetchLogs(request, { caller }) {
      const { appId, limit } = request;
      apps.require(appId, caller.workspaceId);
      const most = Math.min(limit || MAX_FETCHED, MAX_FETCHED);
      return { batches: [...batches(logs.within(appId, windowOf(request), pastFilterOf(request), most))] };
    },

    appCountLogs(request, { caller }) {
      const { appId, bucketSecs } = request;
      apps.require(appId, caller.workspaceId);
      const window = windowOf(request);
      const partMs = bucketSecs * 1000;
      const first = Math.floor(window.since / partMs);
      const parts = Math.ceil(window.until / partMs) - first;
      if (!(parts <= MAX_PARTS)) {
        const message = `bucket_secs ${bucketSecs} cuts the window into more than ${MAX_PARTS} parts; ask for longer parts or a shorter window.`;
        throw new LydianError("invalid_argument", message);
      }
      const buckets = Array.from({ length: Math.max(0, parts) }, (_, at) => ({
        bucketStartAt: timestampFromMs((first + at) * partMs),
        stdoutLogs: 0n,
        stderrLogs: 0n,
        systemLogs: 0n,
      }));
      for (const { at, fd, lines } of logs.count(appId, window, pastFilterOf(request), partMs)) {
        const bucket = buckets[at / partMs - first];
        if (bucket !== undefined) bucket[fd === 1 ? "stdoutLogs" : fd === 2 ? "stderrLogs" : "systemLogs"] += BigInt(lines);
      }
      return { appId, buckets };
    },
  };
}

interface PastRequest {
  readonly since?: Timestamp | undefined;
  readonly until?: Timestamp | undefined;
  readonly searchText: string;
  readonly taskId: string;
  readonly functionId: string;
  readonly parametrizedFunctionId: string;
  readonly functionCallId: string;
  readonly source: number;
}

function windowOf({ since, until, searchText }: PastRequest): LogWindow {
  return {
    since: since === undefined ? 0 : timestampMs(since),
    until: until === undefined ? Date.now() + 1 : timestampMs(until),
    text: searchText,
  };
}

function pastFilterOf({ taskId, functionId, parametrizedFunctionId, functionCallId: callId, source: fd }: PastRequest): LogFilter {
  return { taskId, functionId: parametrizedFunctionId || functionId, callId, fd };
}

function filterOf(request: {
  taskId: string;
  functionId: string;
  functionCallId: string;
  inputId: string;
  fileDescriptor: number;
}): LogFilter {
  const { taskId, functionId, functionCallId: callId, inputId, fileDescriptor: fd } = request;
  return { taskId, functionId, callId, inputId, fd };
}

function cursorOf(entryId: string): number {
  if (entryId === "") return 0;
  if (/^\d{1,15}$/.test(entryId)) return Number(entryId);
  throw new LydianError("invalid_argument", `last_entry_id ${JSON.stringify(entryId.slice(0, 50))} is not a cursor of this server.`);
}

/** Neighbours from the same source travel together. */
function* batches(lines: readonly StoredLog[]) {
  for (let start = 0; start < lines.length; ) {
    const first = lines[start] as StoredLog;
    let end = start + 1;
    while (
      end < lines.length &&
      lines[end]?.taskId === first.taskId &&
      lines[end]?.imageId === first.imageId &&
      lines[end]?.functionId === first.functionId
    )
      end++;
    const group = lines.slice(start, end);
    yield {
      taskId: first.taskId,
      functionId: first.functionId,
      imageId: first.imageId,
      entryId: String(group.at(-1)?.entryId ?? 0),
      items: group.map(({ text, at, fd, callId, inputId }) => ({
        data: text,
        timestamp: at / 1000,
        timestampNs: BigInt(Math.round(at)) * 1_000_000n,
        fileDescriptor: fd,
        functionCallId: callId,
        inputId,
      })),
    };
    start = end;
  }
}
