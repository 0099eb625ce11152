// The command router: processes in containers, on the wire. Whoever calls has a token for one container.

import { constants } from "node:os";
import type { Exit } from "@lydian/containers";
import {
  type CallContext,
  type Handlers,
  LydianError,
  type NetworkAccess,
  type SecretSource,
  TaskExecStderrConfig as StderrConfig,
  TaskExecStdoutConfig as StdoutConfig,
  type TaskCommandRouter,
  type TaskExecStartRequest,
} from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import { checkArguments, ptyOf } from "../sandboxes/definition.ts";
import type { SnapshotRequest } from "../sandboxes/snapshots.ts";
import type { Exec, OutputSource } from "./exec.ts";
import type { ExecHome } from "./exec-home.ts";
import type { Execs } from "./execs.ts";
import { routerHome } from "./router-home.ts";

export interface RouterRpcDependencies {
  readonly execs: Execs;
  /** Where a task's processes run; of a sandbox's further containers by their id. Throws `not_found`. */
  readonly home: (taskId: string, containerId: string) => ExecHome;
  /** The command of a sandbox; undefined when it has none. Throws `not_found` when the task is no sandbox. */
  readonly command: (taskId: string) => Promise<Exec | undefined>;
  /** When a sandbox became ready. */
  readonly ready: (taskId: string, timeoutMs: number, ...signals: readonly AbortSignal[]) => Promise<number>;
  readonly snapshotFilesystem: (taskId: string, containerId: string, request: SnapshotRequest) => Promise<string>;
  readonly snapshotDirectory: (taskId: string, containerId: string, path: string, request: SnapshotRequest) => Promise<string>;
  readonly mount: (taskId: string, containerId: string, path: string, imageId: string) => Promise<void>;
  readonly unmount: (taskId: string, containerId: string, path: string) => Promise<void>;
  readonly setNetwork: (taskId: string, access: NetworkAccess | undefined) => Promise<void>;
  /** Variables of secrets that the workspace has, and others, later over earlier. */
  readonly variables: (
    sources: readonly SecretSource[],
    secretIds: readonly string[],
    env: Record<string, string>,
    workspaceId: string,
  ) => Record<string, string>;
}

const STDERR = 1;
const DAY_SECONDS = 86_400;
/** How long whoever waits for the end of a process may be told later than those who read what it printed. */
const OUTPUT_FIRST_MS = 1_000;

type Rpc = Handlers<typeof TaskCommandRouter, Caller>;

export function createRouterRpc(dependencies: RouterRpcDependencies): Partial<Rpc> {
  const { execs, command, ready, variables } = dependencies;

  const homeOf = routerHome(dependencies.home);
  const execOf = (context: CallContext<Caller>, { taskId, execId }: { taskId: string; execId: string }): Promise<Exec> =>
    execs.get(homeOf(context, taskId), execId);

  return {
    async taskExecStart(request, context) {
      const home = homeOf(context, request.taskId, request.containerId);
      const { secretSources, secretIds, env } = request;
      await execs.start(home, {
        ...startOf(request),
        // What is asked for by name counts more than what a terminal is known as.
        env: { ...ptyOf(request.ptyInfo)?.env, ...variables(secretSources, secretIds, env, home.workspaceId) },
      });
      return {};
    },

    async taskExecPoll(request, context) {
      const { exit } = await execOf(context, request);
      return exit === undefined ? {} : { exitStatus: statusOf(exit) };
    },

    async taskExecWait(request, context) {
      const exec = await execOf(context, request);
      const exit = await exec.wait(context.signal, context.draining);
      // Clients ask again.
      if (exit === undefined) throw new LydianError("unavailable", "The server is stopping.");
      if (exec.hasPrinted) await exec.readers.served(OUTPUT_FIRST_MS, context.signal, context.draining);
      return { exitStatus: statusOf(exit) };
    },

    async *taskExecStdioRead(request, context) {
      const exec = await execOf(context, request);
      const spool = request.fileDescriptor === STDERR ? exec.stderr : exec.stdout;
      using _reading = exec.readers.enter();
      let expected = Number(request.offset);
      for await (const { offset, data } of read(spool, expected, context)) {
        if (offset !== expected)
          throw new LydianError(
            "out_of_range",
            `The output from byte ${expected} to ${offset} was dropped: nobody read it, and it was more than is kept.`,
          );
        expected = offset + data.length;
        yield { data };
      }
    },

    async taskExecStdinWrite(request, context) {
      const exec = await execOf(context, request);
      using _use = homeOf(context, request.taskId).use();
      await exec.stdin.write(Number(request.offset), request.data, request.eof);
      return {};
    },

    async taskExecStdinWriteStream(requests, context) {
      let stream: { readonly exec: Exec; at: number; readonly taken: AbortSignal } | undefined;
      for await (const { payload } of requests) {
        if (payload.case === "start") {
          const exec = await execOf(context, payload.value);
          const at = Number(payload.value.offset);
          if (at !== exec.stdin.written)
            throw new LydianError(
              "failed_precondition",
              `The input has ${exec.stdin.written} bytes so far; a stream cannot begin at ${at}.`,
            );
          stream = { exec, at, taken: exec.stdin.takeOver().signal };
          continue;
        }
        if (stream === undefined) throw new LydianError("invalid_argument", "A stream of input begins with what it is for.");
        if (stream.taken.aborted) throw new LydianError("aborted", "Another stream of input has taken over.");
        const data = payload.case === "data" ? payload.value : new Uint8Array();
        await stream.exec.stdin.write(stream.at, data, payload.case === "end");
        stream.at += data.length;
      }
      return {};
    },

    async taskExecStdinStatus(request, context) {
      const { stdin } = await execOf(context, request);
      stdin.takeOver();
      return { numBytesWritten: BigInt(stdin.written), closed: stdin.closed };
    },

    async *sandboxStdioReadV2({ taskId, offset, fileDescriptor }, context) {
      homeOf(context, taskId);
      const exec = await command(taskId);
      if (exec === undefined) return;
      for await (const chunk of read(fileDescriptor === STDERR ? exec.stderr : exec.stdout, Number(offset), context))
        yield { data: chunk.data, startingOffset: BigInt(chunk.offset) };
    },

    async sandboxStdinWriteV2({ taskId, offset, data, eof }, context) {
      using _use = homeOf(context, taskId).use();
      const exec = await command(taskId);
      if (exec === undefined) throw new LydianError("failed_precondition", "The sandbox runs no command that could read this.");
      await exec.stdin.write(Number(offset), data, eof);
      return {};
    },

    async taskSetNetworkAccess({ taskId, networkAccess }, context) {
      homeOf(context, taskId);
      await dependencies.setNetwork(taskId, networkAccess);
      return {};
    },

    async taskSnapshotFilesystem({ taskId, containerId, snapshotId, ttlSeconds, customerSuppliedEncryptionKey: key }, context) {
      homeOf(context, taskId, containerId);
      refuseKey(key);
      return { imageId: await dependencies.snapshotFilesystem(taskId, containerId, { snapshotId, ttlSeconds: optional(ttlSeconds) }) };
    },

    async taskSnapshotDirectory({ taskId, containerId, path, snapshotId, ttlSeconds, customerSuppliedEncryptionKey: key }, context) {
      homeOf(context, taskId, containerId);
      refuseKey(key);
      return {
        imageId: await dependencies.snapshotDirectory(taskId, containerId, text(path), { snapshotId, ttlSeconds: optional(ttlSeconds) }),
      };
    },

    async taskMountDirectory({ taskId, containerId, path, imageId, customerSuppliedEncryptionKey: key }, context) {
      homeOf(context, taskId, containerId);
      refuseKey(key);
      await dependencies.mount(taskId, containerId, text(path), imageId);
      return {};
    },

    async taskUnmountDirectory({ taskId, containerId, path }, context) {
      homeOf(context, taskId, containerId);
      await dependencies.unmount(taskId, containerId, text(path));
      return {};
    },

    /** There are no volumes in it. */
    taskReloadVolumes({ taskId, containerId }, context) {
      homeOf(context, taskId, containerId);
      return {};
    },

    async sandboxWaitUntilReady({ taskId, timeout }, context) {
      homeOf(context, taskId);
      return { readyAt: (await ready(taskId, Math.max(0, timeout) * 1000, context.signal, context.draining)) / 1000 };
    },
  };
}

async function* read(output: OutputSource, offset: number, { signal, draining }: CallContext<Caller>) {
  yield* output.from(offset, signal, draining);
  if (!output.ended && !signal.aborted) throw new LydianError("unavailable", "The server is stopping.");
}

function startOf({ execId, commandArgs, stdoutConfig, stderrConfig, timeoutSecs = 0, workdir, ptyInfo }: TaskExecStartRequest) {
  checkArguments(commandArgs);
  if (workdir !== undefined && workdir !== "" && !workdir.startsWith("/"))
    throw new LydianError("invalid_argument", `The working directory ${JSON.stringify(workdir.slice(0, 200))} must begin with "/".`);
  if (timeoutSecs > DAY_SECONDS)
    throw new LydianError("invalid_argument", `The timeout of a process is ${timeoutSecs} s; it may be ${DAY_SECONDS}.`);
  return {
    id: execId,
    argv: commandArgs,
    workdir: workdir || undefined,
    pty: ptyOf(ptyInfo),
    keepsStdout: stdoutConfig === StdoutConfig.PIPE,
    stderr: STDERR_KEPT[stderrConfig] ?? "drop",
    timeoutMs: timeoutSecs * 1000,
  } as const;
}

const optional = (value: bigint | undefined): number | undefined => (value === undefined ? undefined : Number(value));

const text = (path: Uint8Array): string => Buffer.from(path).toString();

function refuseKey(key: Uint8Array | undefined): void {
  if (key !== undefined && key.length > 0)
    throw new LydianError(
      "unimplemented",
      "Snapshots sealed with a key of the customer are not offered: snapshots are kept as plain files.",
      { hint: "Leave the key out." },
    );
}

const STDERR_KEPT: Partial<Record<StderrConfig, "drop" | "keep" | "stdout">> = {
  [StderrConfig.PIPE]: "keep",
  [StderrConfig.STDOUT]: "stdout",
};

function statusOf({ code, signal }: Exit) {
  if (code !== undefined) return { case: "code" as const, value: code };
  return { case: "signal" as const, value: constants.signals[signal as NodeJS.Signals] ?? constants.signals.SIGKILL };
}
