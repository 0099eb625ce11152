// Prints an app's log. The server answers for at most a minute at a time; each entry carries the cursor to go on from.
import { FileDescriptor, LydianError, type TaskLogs, type TaskLogsBatch } from "@lydian/protocol";
import type { Client } from "../../client.ts";
import type { CommonOptions } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { findAppId } from "./find.ts";

export interface LogsOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly timestamps?: boolean;
}

const FOLLOW_SECONDS = 55;

export async function printLogs(name: string, options: LogsOptions): Promise<void> {
  await withServer(options, async (client, { environment }) => {
    const appId = await findAppId(client, environment, name);
    for await (const batch of batches(client, appId, options.follow === true)) {
      for (const item of batch.items) print(batch, item, options);
    }
  });
}

/** All batches up to now, or with `follow` until the app is done, over as many streams as it takes. */
async function* batches(client: Client, appId: string, follow: boolean): AsyncGenerator<TaskLogsBatch> {
  let lastEntryId = "";
  for (;;) {
    let progressed = false;
    try {
      for await (const batch of client.modal.appGetLogs({ appId, lastEntryId, timeout: follow ? FOLLOW_SECONDS : 0 })) {
        if (batch.entryId) lastEntryId = batch.entryId;
        progressed = true;
        yield batch;
        if (batch.appDone || (batch.eof && !follow)) return;
      }
    } catch (error) {
      // A server that restarts: the cursor makes the next stream go on where this one ended.
      if (!follow || !LydianError.is(error) || !error.retryable) throw error;
      if (!progressed) await new Promise((resolve) => setTimeout(resolve, 500));
    }
    if (!follow) return;
  }
}

function print(batch: TaskLogsBatch, item: TaskLogs, options: LogsOptions): void {
  if (item.data === "") return;
  if (options.json) {
    const line = {
      at: item.timestamp,
      container_id: batch.taskId,
      function_id: batch.functionId,
      stream: streamName(item.fileDescriptor),
      text: item.data,
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  const out = item.fileDescriptor === FileDescriptor.STDERR ? process.stderr : process.stdout;
  if (!options.timestamps) {
    out.write(item.data);
    return;
  }
  const time = new Date(item.timestamp * 1000).toISOString();
  const lines = item.data.split(/(?<=\n)/);
  out.write(lines.map((line) => `${time} ${line}`).join(""));
}

function streamName(fd: FileDescriptor): string {
  if (fd === FileDescriptor.STDERR) return "stderr";
  return fd === FileDescriptor.INFO ? "info" : "stdout";
}
