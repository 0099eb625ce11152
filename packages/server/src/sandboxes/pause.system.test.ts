// Frozen sandboxes: by hand and by themselves, in real containers.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Client,
  type Connection,
  connect,
  type MessageInitShape,
  ModalClient,
  ObjectCreationType,
  Processes,
  type SandboxSchema,
  GenericResult_GenericStatus as Status,
  TaskExecStderrConfig as StderrConfig,
  TaskExecStdoutConfig as StdoutConfig,
  TaskCommandRouter,
} from "@lydian/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareTestLayers } from "../../../containers/src/images/testing.ts";
import { type RunningServer, startServer } from "../main.ts";

const DIST = join(import.meta.dirname, "../../../lydian/dist");
const reason = process.platform !== "linux" || process.getuid?.() !== 0 ? "not root on Linux" : undefined;
if (reason !== undefined) console.log(`skipped: frozen sandboxes (${reason})`);

const IDLE_MS = 200;
const WAIT = { timeout: 20_000, interval: 50 };

/** Of a process whose command line has this, seen from the machine. */
function isFrozen(marker: string): boolean {
  const pid = execFileSync("pgrep", ["-f", `^sleep ${marker}$`])
    .toString()
    .trim();
  const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  const version1 = groups.find((line) => line.split(":")[1] === "freezer")?.split(":")[2];
  if (version1 !== undefined) return readFileSync(`/sys/fs/cgroup/freezer${version1}/freezer.state`, "utf8").startsWith("FROZEN");
  return readFileSync(`/sys/fs/cgroup${groups[0]?.split(":")[2]}/cgroup.events`, "utf8").includes("frozen 1");
}

describe.skipIf(reason !== undefined)("frozen sandboxes", () => {
  let dataDir: string;
  let server: RunningServer;
  let modal: Client<typeof ModalClient>;
  let appId: string;
  let imageId: string;
  const connections: Connection[] = [];

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "ly-frz-"));
    await shareTestLayers(dataDir);
    await start(0);
    appId = (await modal.appGetOrCreate({ appName: "frozen", objectCreationType: ObjectCreationType.CREATE_IF_MISSING })).appId;
    imageId = (await modal.imageGetOrCreate({ appId, image: { dockerfileCommands: ["FROM node:24-slim"] } })).imageId;
    for await (const { result } of modal.imageJoinStreaming({ imageId, timeout: 55 }))
      if (result) expect(result.status).toBe(Status.SUCCESS);
  }, 300_000);
  afterAll(async () => {
    await stop();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });

  async function start(freezeIdleMs: number): Promise<void> {
    server = await startServer({
      dataDir,
      port: 0,
      containerHost: "oci",
      runtimeDir: join(DIST, "runtime"),
      launcherProgram: join(DIST, "launcher.js"),
      logLevel: "error",
      freezeIdleMs,
    });
    const { tokenId, tokenSecret } = JSON.parse(readFileSync(server.tokenFile, "utf8")) as { tokenId: string; tokenSecret: string };
    const connection = connect({ url: server.url, headers: { "x-modal-token-id": tokenId, "x-modal-token-secret": tokenSecret } });
    connections.push(connection);
    modal = connection.service(ModalClient);
  }

  async function stop(): Promise<void> {
    for (const connection of connections.splice(0)) await connection.close();
    await server?.stop();
  }

  async function create(definition: Omit<MessageInitShape<typeof SandboxSchema>, "$typeName"> = {}) {
    const { sandboxId, taskId, commandRouterAccess } = await modal.sandboxCreateV2({ appId, definition: { imageId, ...definition } });
    const connection = connect({ url: server.url, headers: { authorization: `Bearer ${commandRouterAccess?.jwt}` } });
    connections.push(connection);
    const router = connection.service(TaskCommandRouter);
    const processes = connection.service(Processes);
    let execs = 0;
    const exec = async (command: string, timeoutSecs = 0, containerId = "") => {
      const request = { taskId, execId: `e${++execs}` };
      const output = { stdoutConfig: StdoutConfig.PIPE, stderrConfig: StderrConfig.DEVNULL };
      await router.taskExecStart({ ...request, ...output, commandArgs: ["sh", "-c", command], timeoutSecs, containerId });
      return {
        write: (text: string) => router.taskExecStdinWrite({ ...request, offset: 0n, data: Buffer.from(text), eof: true }),
        exit: async () => (await router.taskExecWait(request)).exitStatus,
        async stdout() {
          let text = "";
          for await (const { data } of router.taskExecStdioRead({ ...request, fileDescriptor: 0 })) text += Buffer.from(data).toString();
          return text;
        },
      };
    };
    /** A process of no client's: it is there when this resolves. */
    const leave = async (marker: string) => (await exec(`sleep ${marker} >/dev/null 2>&1 </dev/null & echo there`)).stdout();
    return { sandboxId, taskId, processes, exec, leave, end: () => modal.sandboxTerminateV2({ sandboxId }) };
  }

  it("stand still until somebody needs them, or says so", async () => {
    const { taskId, processes, exec, leave, end } = await create();
    const marker = `${process.pid}11`;
    await leave(marker);
    const cat = await exec("cat");
    await processes.pause({ taskId });
    expect(isFrozen(marker)).toBe(true);
    await processes.pause({ taskId });
    expect(isFrozen(marker)).toBe(true);
    await processes.resume({ taskId });
    expect(isFrozen(marker)).toBe(false);

    await processes.pause({ taskId });
    expect(await (await exec("echo on")).stdout()).toBe("on\n");
    expect(isFrozen(marker)).toBe(false);
    await processes.pause({ taskId });
    await cat.write("in and out");
    expect(await cat.stdout()).toBe("in and out");
    expect(isFrozen(marker)).toBe(false);

    await processes.pause({ taskId });
    await end();
    await expect(processes.resume({ taskId })).rejects.toMatchObject({ code: "failed_precondition" });
  });

  it("stand still with their further containers, and go on with them", async () => {
    const { sandboxId, taskId, processes, exec, end } = await create();
    const marker = `${process.pid}14`;
    const definition = { imageId, entrypointArgs: ["sleep", marker] };
    const { containerId } = await modal.sandboxContainerCreateV2({ sandboxId, containerName: "beside", definition });
    await processes.pause({ taskId });
    expect(isFrozen(marker)).toBe(true);
    expect(await (await exec("echo on")).stdout()).toBe("on\n");
    expect(isFrozen(marker)).toBe(false);
    await processes.pause({ taskId });
    expect(await (await exec("cat /proc/[0-9]*/cmdline", 0, containerId)).stdout()).toContain(marker);
    expect(isFrozen(marker)).toBe(false);
    await processes.pause({ taskId });
    await end();
  });

  it("keep their times", async () => {
    const { taskId, processes, exec, end } = await create();
    const late = await exec("sleep 1000", 1);
    await processes.pause({ taskId });
    expect(await late.exit()).toEqual({ case: "signal", value: 9 });
    await end();
    const short = await create({ timeoutSecs: 1 });
    await short.processes.pause({ taskId: short.taskId });
    const { result } = await modal.sandboxWaitV2({ sandboxId: short.sandboxId, timeout: 30 });
    expect(result?.status).toBe(Status.TIMEOUT);
  });

  it("are frozen only by who may use them", async () => {
    const [mine, other] = [await create(), await create()];
    await expect(mine.processes.pause({ taskId: other.taskId })).rejects.toMatchObject({ code: "not_found" });
    await Promise.all([mine.end(), other.end()]);
  });

  it("freeze by themselves when nobody needs them, if the server is told to, unless they have a command", async () => {
    await stop();
    await start(IDLE_MS);
    const [commanded, left] = [`${process.pid}21`, `${process.pid}22`];
    const busy = await create({ entrypointArgs: ["sleep", commanded] });
    const idle = await create();
    await idle.leave(left);
    await expect.poll(() => isFrozen(left), WAIT).toBe(true);
    // A process of a client keeps it awake, however little it does.
    const cat = await idle.exec("cat");
    expect(isFrozen(left)).toBe(false);
    const second = await create();
    await second.leave(`${left}3`);
    await expect.poll(() => isFrozen(`${left}3`), WAIT).toBe(true);
    expect(isFrozen(left)).toBe(false);
    await cat.write("awake");
    expect(await cat.stdout()).toBe("awake");
    await expect.poll(() => isFrozen(left), WAIT).toBe(true);
    expect(isFrozen(commanded)).toBe(false);
    await Promise.all([busy.end(), idle.end(), second.end()]);
  });
});
