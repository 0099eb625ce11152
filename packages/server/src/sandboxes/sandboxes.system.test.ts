// Sandboxes as clients meet them: through the control plane and the command router, in real containers.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Client,
  type Connection,
  connect,
  type MessageInitShape,
  ModalClient,
  NetworkAccess_NetworkAccessType as NetworkType,
  ObjectCreationType,
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
if (reason !== undefined) console.log(`skipped: sandboxes of the server (${reason})`);

describe.skipIf(reason !== undefined)("sandboxes of the server", () => {
  let dataDir: string;
  let server: RunningServer;
  let modal: Client<typeof ModalClient>;
  let appId: string;
  let imageId: string;
  const connections: Connection[] = [];

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "ly-sb-"));
    await shareTestLayers(dataDir);
    await start();
    const app = await modal.appGetOrCreate({ appName: "sandboxes", objectCreationType: ObjectCreationType.CREATE_IF_MISSING });
    appId = app.appId;
    const image = await modal.imageGetOrCreate({ appId, image: { dockerfileCommands: ["FROM node:24-slim"] } });
    imageId = image.imageId;
    for await (const { result } of modal.imageJoinStreaming({ imageId, timeout: 55 }))
      if (result) expect(result.status).toBe(Status.SUCCESS);
  }, 300_000);
  afterAll(async () => {
    for (const connection of connections) await connection.close();
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });

  async function start(): Promise<void> {
    server = await startServer({
      dataDir,
      port: 0,
      containerHost: "oci",
      runtimeDir: join(DIST, "runtime"),
      launcherProgram: join(DIST, "launcher.js"),
      logLevel: "error",
    });
    const { tokenId, tokenSecret } = JSON.parse(readFileSync(server.tokenFile, "utf8")) as { tokenId: string; tokenSecret: string };
    const connection = connect({ url: server.url, headers: { "x-modal-token-id": tokenId, "x-modal-token-secret": tokenSecret } });
    connections.push(connection);
    modal = connection.service(ModalClient);
  }

  type Options = Omit<MessageInitShape<typeof SandboxSchema>, "$typeName">;

  async function create(definition: Options = {}, more: { tags?: Record<string, string>; env?: Record<string, string> } = {}) {
    const { sandboxId, taskId, commandRouterAccess } = await modal.sandboxCreateV2({
      appId,
      definition: { imageId, ...definition },
      tags: Object.entries(more.tags ?? {}).map(([tagName, tagValue]) => ({ tagName, tagValue })),
      secretSources: more.env === undefined ? [] : [{ source: { case: "env", value: { contents: more.env } } }],
    });
    const connection = connect({ url: server.url, headers: { authorization: `Bearer ${commandRouterAccess?.jwt}` } });
    connections.push(connection);
    return { sandboxId, taskId, router: connection.service(TaskCommandRouter) };
  }

  let execs = 0;
  async function exec({ router, taskId }: Awaited<ReturnType<typeof create>>, ...commandArgs: string[]) {
    const execId = `exec-${++execs}`;
    await router.taskExecStart({ taskId, execId, commandArgs, stdoutConfig: StdoutConfig.PIPE, stderrConfig: StderrConfig.PIPE });
    const read = async (fileDescriptor: number) => {
      let text = "";
      for await (const { data } of router.taskExecStdioRead({ taskId, execId, fileDescriptor })) text += Buffer.from(data).toString();
      return text;
    };
    return {
      execId,
      stdin: (text: string, eof = true) => router.taskExecStdinWrite({ taskId, execId, offset: 0n, data: Buffer.from(text), eof }),
      stdout: () => read(0),
      stderr: () => read(1),
      exit: async () => (await router.taskExecWait({ taskId, execId })).exitStatus.value,
    };
  }

  async function printedBy(sandboxId: string, router: Client<typeof TaskCommandRouter>, taskId: string): Promise<string> {
    await modal.sandboxWaitV2({ sandboxId, timeout: 30 });
    let text = "";
    for await (const { data } of router.sandboxStdioReadV2({ taskId })) text += Buffer.from(data).toString();
    return text;
  }

  const end = (sandboxId: string) => modal.sandboxTerminateV2({ sandboxId });

  it("run a command, which reads, prints and ends", async () => {
    const sandbox = await create(
      { entrypointArgs: ["sh", "-c", "read x; echo got $x; echo $SECRET >&2; exit 3"] },
      { env: { SECRET: "s3" } },
    );
    const { sandboxId, taskId, router } = sandbox;
    expect(sandboxId).toMatch(/^sb-[0-9A-Za-z]{26}$/);
    expect(taskId).toMatch(/^ta-[0-9A-Za-z]{21}V$/);
    expect((await modal.sandboxWaitV2({ sandboxId, timeout: 0 })).result).toBeUndefined();
    await router.sandboxStdinWriteV2({ taskId, offset: 0n, data: Buffer.from("a word\n") });
    const { result } = await modal.sandboxWaitV2({ sandboxId, timeout: 30 });
    expect(result).toMatchObject({ status: Status.FAILURE, exitcode: 3 });
    const printed: string[] = [];
    for (const fileDescriptor of [0, 1])
      for await (const { data } of router.sandboxStdioReadV2({ taskId, fileDescriptor })) printed.push(Buffer.from(data).toString());
    expect(printed).toEqual(["got a word\n", "s3\n"]);
    const { batches } = await modal.appFetchLogs({ appId, taskId });
    expect(batches.flatMap(({ items }) => items.map((item) => item.data))).toContain("got a word\n");
  });

  it("leave their files as an image when they end, if that was asked for", async () => {
    const experimentalOptionsV2 = { enable_exit_snapshot: "True" };
    const command = (line: string) => ({ entrypointArgs: ["sh", "-c", line], experimentalOptionsV2 });
    const one = await create(command("echo left >/left; read x"));
    const asked = { sandboxId: one.sandboxId, timeout: 0 };
    expect((await modal.sandboxGetExitSnapshotV2(asked)).outcome.case).toBe("pending");
    await one.router.sandboxStdinWriteV2({ taskId: one.taskId, offset: 0n, data: Buffer.from("\n") });
    const { outcome } = await modal.sandboxGetExitSnapshotV2({ ...asked, timeout: 30 });
    expect(outcome.case).toBe("success");
    const image = outcome.case === "success" ? outcome.value.imageId : "";
    expect((await modal.sandboxGetExitSnapshot(asked)).outcome).toEqual(outcome);
    // One that is ended by somebody leaves its files, too.
    const two = await create({ ...command("cat /left; echo more >>/left; exec sleep 1000"), imageId: image });
    for await (const { data } of two.router.sandboxStdioReadV2({ taskId: two.taskId })) {
      expect(Buffer.from(data).toString()).toBe("left\n");
      break;
    }
    await exec(two, "sh", "-c", "until grep more /left; do :; done").then((process) => process.exit());
    await end(two.sandboxId);
    const second = (await modal.sandboxGetExitSnapshotV2({ sandboxId: two.sandboxId })).outcome;
    const three = await create({ entrypointArgs: ["cat", "/left"], imageId: second.case === "success" ? second.value.imageId : "" });
    expect(await printedBy(three.sandboxId, three.router, three.taskId)).toBe("left\nmore\n");
    await expect(modal.sandboxGetExitSnapshotV2({ sandboxId: three.sandboxId })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(modal.sandboxGetExitSnapshotV2({ sandboxId: "sb-none" })).rejects.toMatchObject({ code: "not_found" });
  });

  it("run further processes, whose output waits for its readers", async () => {
    const sandbox = await create({ workdir: "/tmp" }, { env: { A: "1" } });
    const cat = await exec(sandbox, "sh", "-c", "cat; pwd; echo $A; echo problem >&2; exit 7");
    await cat.stdin("through\n");
    expect(await cat.exit()).toBe(7);
    expect(await cat.stdout()).toBe("through\n/tmp\n1\n");
    expect(await cat.stdout()).toBe("through\n/tmp\n1\n");
    expect(await cat.stderr()).toBe("problem\n");
    await expect(exec(sandbox, "no-such-program")).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("no-such-program"),
    });
    const killed = await exec(sandbox, "sh", "-c", "kill -9 $$");
    expect(await killed.exit()).toBe(9);
    await end(sandbox.sandboxId);
    await expect(exec(sandbox, "true")).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("terminated"),
    });
  });

  it("start a process once, however often the request comes", async () => {
    const sandbox = await create();
    const { router, taskId, sandboxId } = sandbox;
    const request = { taskId, execId: "same", commandArgs: ["sh", "-c", "echo x >> /once"] };
    await Promise.all([router.taskExecStart(request), router.taskExecStart(request)]);
    await router.taskExecStart(request);
    await router.taskExecWait({ taskId, execId: "same" });
    const cat = await exec(sandbox, "cat", "/once");
    expect(await cat.stdout()).toBe("x\n");
    await end(sandboxId);
  });

  it("end by their time, by a client, or without use; each says which it was", async () => {
    const timed = await create({ timeoutSecs: 1, entrypointArgs: ["sleep", "60"] });
    const idle = await create({ idleTimeoutSecs: 1 });
    const ended = await create({ entrypointArgs: ["sleep", "60"] });
    expect((await end(ended.sandboxId)).existingResult).toBeUndefined();
    expect((await end(ended.sandboxId)).existingResult).toMatchObject({ status: Status.TERMINATED });
    const resultOf = async (sandboxId: string) => (await modal.sandboxWait({ sandboxId, timeout: 30 })).result;
    expect(await resultOf(ended.sandboxId)).toMatchObject({ status: Status.TERMINATED, exitcode: 137 });
    expect(await resultOf(timed.sandboxId)).toMatchObject({ status: Status.TIMEOUT, exception: expect.stringContaining("timeout of 1 s") });
    expect(await resultOf(idle.sandboxId)).toMatchObject({ status: Status.IDLE_TIMEOUT });
  });

  it("say why they could not start", async () => {
    const { sandboxId } = await create({ entrypointArgs: ["/no/such/program"] });
    const { result } = await modal.sandboxWaitV2({ sandboxId, timeout: 30 });
    expect(result).toMatchObject({ status: Status.INIT_FAILURE, exception: expect.stringContaining("/no/such/program") });
  });

  it("are found by name and tags while they live", async () => {
    const sandbox = await create({ name: "one" }, { tags: { kind: "a", of: "test" } });
    await expect(create({ name: "one" })).rejects.toMatchObject({ code: "already_exists" });
    const named = await modal.sandboxGetFromNameV2({ appName: "sandboxes", sandboxName: "one" });
    expect(named.sandboxId).toBe(sandbox.sandboxId);
    const list = (tags: Record<string, string>) =>
      modal.sandboxListV2({ appId, tags: Object.entries(tags).map(([tagName, tagValue]) => ({ tagName, tagValue })) });
    expect((await list({ kind: "a" })).sandboxes).toMatchObject([{ id: sandbox.sandboxId, name: "one" }]);
    expect((await list({ kind: "b" })).sandboxes).toEqual([]);
    await modal.sandboxTagsSetV2({ sandboxId: sandbox.sandboxId, tags: [{ tagName: "kind", tagValue: "b" }] });
    expect((await list({ kind: "b" })).sandboxes).toHaveLength(1);
    expect((await modal.taskList({ appId })).tasks.map(({ taskId }) => taskId)).toContain(sandbox.taskId);
    await end(sandbox.sandboxId);
    await expect(modal.sandboxGetFromNameV2({ appName: "sandboxes", sandboxName: "one" })).rejects.toMatchObject({ code: "not_found" });
    expect((await modal.sandboxGetFromNameV2({ appName: "sandboxes", sandboxName: "one", includeTerminated: true })).sandboxId).toBe(
      sandbox.sandboxId,
    );
  });

  it("become ready when their probe says so", async () => {
    const argv = ["test", "-f", "/tmp/ready"];
    const sandbox = await create({ readinessProbe: { probeOneof: { case: "execCommand", value: { argv } }, intervalMs: 20 } });
    const { router, taskId, sandboxId } = sandbox;
    await expect(router.sandboxWaitUntilReady({ taskId, timeout: 0.2 })).rejects.toMatchObject({ code: "deadline_exceeded" });
    await exec(sandbox, "touch", "/tmp/ready");
    expect((await router.sandboxWaitUntilReady({ taskId, timeout: 30 })).readyAt).toBeGreaterThan(0);
    await end(sandboxId);
  });

  it("may be given another network policy while they run, and only then", async () => {
    const { router, taskId, sandboxId } = await create({ networkAccess: { networkAccessType: NetworkType.BLOCKED } });
    const allow = (...allowedCidrs: string[]) =>
      router.taskSetNetworkAccess({ taskId, networkAccess: { networkAccessType: NetworkType.ALLOWLIST, allowedCidrs } });
    await allow("192.0.2.0/24");
    await expect(allow("192.0.2.0/240")).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("192.0.2.0/240"),
    });
    await end(sandboxId);
    await expect(allow("192.0.2.0/24")).rejects.toMatchObject({ code: "failed_precondition" });
  });

  it("are kept as images: their files, or a directory, to begin with or to mount", async () => {
    const sandbox = await create();
    const { router, taskId, sandboxId } = sandbox;
    const sh = async (of: Awaited<ReturnType<typeof create>>, script: string) => (await exec(of, "sh", "-c", script)).stdout();
    await sh(sandbox, "mkdir -p /data/deep; echo one > /data/deep/file; ln -s /etc /data/out; rm /etc/hostname");
    const whole = await router.taskSnapshotFilesystem({ taskId, snapshotId: "a" });
    expect(await router.taskSnapshotFilesystem({ taskId, snapshotId: "a" })).toEqual(whole);
    const part = await router.taskSnapshotDirectory({ taskId, snapshotId: "b", path: Buffer.from("/data") });
    await sh(sandbox, "echo two > /data/deep/file");
    const again = await create({ imageId: whole.imageId });
    expect(await sh(again, "cat /data/deep/file; ls /etc/hostname 2>/dev/null; readlink /data/out; node -p 1+1")).toBe("one\n/etc\n2\n");
    const path = Buffer.from("/mnt/new");
    await again.router.taskMountDirectory({ taskId: again.taskId, path, imageId: part.imageId });
    expect(await sh(again, "cat /mnt/new/deep/file; echo three > /mnt/new/deep/file; cat /mnt/new/deep/file")).toBe("one\nthree\n");
    await again.router.taskUnmountDirectory({ taskId: again.taskId, path });
    expect(await sh(again, "ls /mnt/new | wc -l")).toBe("0\n");
    const short = await router.taskSnapshotDirectory({ taskId, snapshotId: "c", path: Buffer.from("/data"), ttlSeconds: 1n });
    await expect
      .poll(
        () =>
          create({ imageId: short.imageId }).then(
            (made) => end(made.sandboxId).then(() => ""),
            ({ code }) => code,
          ),
        { timeout: 5_000 },
      )
      .toBe("not_found");
    await expect(router.taskSnapshotDirectory({ taskId, snapshotId: "d", path: Buffer.from("/no/such") })).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("/no/such"),
    });
    await Promise.all([end(sandboxId), end(again.sandboxId)]);
  });

  it("open to a token of theirs, and to no other", async () => {
    const [one, other] = [await create(), await create()];
    await expect(one.router.taskExecStart({ taskId: other.taskId, execId: "x", commandArgs: ["true"] })).rejects.toMatchObject({
      code: "not_found",
    });
    await Promise.all([end(one.sandboxId), end(other.sandboxId)]);
  });

  it("serve clients of the first generation", async () => {
    const { sandboxId } = await modal.sandboxCreate({
      appId,
      definition: { imageId, entrypointArgs: ["sh", "-c", "read x; echo grün $x"] },
    });
    expect(sandboxId).toMatch(/^sb-[0-9A-Za-z]{22}$/);
    const { taskId = "" } = await modal.sandboxGetTaskId({ sandboxId });
    expect((await modal.taskGetCommandRouterAccess({ taskId })).jwt).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    await modal.sandboxStdinWrite({ sandboxId, index: 1, input: Buffer.from("it is\n"), eof: true });
    await modal.sandboxStdinWrite({ sandboxId, index: 1, input: Buffer.from("it is\n"), eof: true });
    let text = "";
    let over = false;
    for await (const { items, eof } of modal.sandboxGetLogs({ sandboxId, fileDescriptor: 1, timeout: 55 })) {
      text += items.map(({ data }) => data).join("");
      over ||= eof;
    }
    expect([text, over]).toEqual(["grün it is\n", true]);
    expect((await modal.sandboxWait({ sandboxId, timeout: 30 })).result).toMatchObject({
      status: Status.SUCCESS,
      exitcode: 0,
      exception: "",
    });
  });

  it("are over after a restart of the server, and say so", async () => {
    const { sandboxId } = await create({ name: "lost" });
    await server.stop();
    await start();
    const { result } = await modal.sandboxWaitV2({ sandboxId, timeout: 0 });
    expect(result).toMatchObject({ status: Status.TERMINATED });
    expect((await modal.sandboxListV2({ appId })).sandboxes).toEqual([]);
  });
});
