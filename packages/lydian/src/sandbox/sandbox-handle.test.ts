import { LydianError, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { ContainerStartError, InvalidError, OutOfMemoryError } from "../errors.ts";
import { Image } from "../image/image.ts";
import type { TestServer } from "../test-server.ts";
import { Sandbox } from "./sandbox.ts";
import { SandboxTerminatedError, SandboxTimeoutError } from "./sandbox-errors.ts";
import { bytes, ended, startSandboxServer, text } from "./test-sandbox.ts";

let server: TestServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

const serve = async (...handlers: Parameters<typeof startSandboxServer>) => {
  server = await startSandboxServer(...handlers);
  return server;
};

describe("the end of a sandbox", () => {
  it("is waited for over as many requests as it takes", async () => {
    let asked = 0;
    await serve({ sandboxWaitV2: () => (++asked < 3 ? {} : ended(Status.SUCCESS)) });
    const sandbox = await Sandbox.create();
    expect(await sandbox.wait()).toBe(0);
    expect(await sandbox.poll()).toBe(0);
    expect(asked).toBe(3);
  });

  it.each([
    [Status.TIMEOUT, SandboxTimeoutError, "The sandbox sb-1 ran longer than its timeout.", 124],
    [Status.IDLE_TIMEOUT, SandboxTimeoutError, "The sandbox sb-1 was idle for too long.", 137],
    [Status.TERMINATED, SandboxTerminatedError, "The sandbox sb-1 was terminated.", 137],
    [Status.INIT_FAILURE, ContainerStartError, "The sandbox sb-1 could not start.", 1],
    [Status.KERNEL_OOM_KILL, OutOfMemoryError, "The sandbox sb-1 exceeded its memory.", 137],
  ] as const)("of status %i is thrown to who waits, and told to who asks", async (status, errorClass, message, code) => {
    await serve({ sandboxWaitV2: () => ended(status) });
    const sandbox = await Sandbox.create();
    await expect(sandbox.wait()).rejects.toThrow(errorClass);
    await expect(sandbox.wait()).rejects.toThrow(message);
    expect(await sandbox.poll()).toBe(code);
    expect(sandbox.exitCode).toBe(code);
  });

  it("by termination can count as an end like others", async () => {
    await serve({ sandboxWaitV2: () => ended(Status.TERMINATED) });
    expect(await (await Sandbox.create()).wait({ throwOnTermination: false })).toBe(137);
  });

  it("comes with the scope, unless it was detached", async () => {
    const terminated: string[] = [];
    let created = 0;
    await serve({
      sandboxCreateV2: () => ({ sandboxId: `sb-${++created}`, taskId: "ta-1" }),
      sandboxTerminateV2({ sandboxId }) {
        terminated.push(sandboxId);
        return {};
      },
    });
    {
      await using _first = await Sandbox.create();
      await using second = await Sandbox.create();
      await using _third = await Sandbox.create({ onDispose: "detach" });
      second.detach();
    }
    expect(terminated).toEqual(["sb-1"]);
  });

  it("can be waited for when it is terminated", async () => {
    let isOver = false;
    await serve({
      sandboxTerminateV2() {
        isOver = true;
        return {};
      },
      sandboxWaitV2: () => (isOver ? ended(Status.TERMINATED) : {}),
    });
    const sandbox = await Sandbox.create();
    expect(await sandbox.terminate({ wait: true })).toBe(137);
  });
});

describe("what a running sandbox is asked", () => {
  it("is its tags and its name", async () => {
    let tags: unknown[] = [];
    await serve({
      sandboxTagsSetV2(request) {
        tags = request.tags;
        return {};
      },
      sandboxTagsGetV2: () => ({ tags: tags as { tagName: string; tagValue: string }[] }),
      sandboxSetName: () => ({}),
    });
    const sandbox = await Sandbox.create();
    await sandbox.setTags({ a: "1", b: "2" });
    expect(await sandbox.getTags()).toEqual({ a: "1", b: "2" });
    await sandbox.setName("worker");
    expect(sandbox.name).toBe("worker");
  });

  it("is where its ports are", async () => {
    await serve({
      sandboxGetTunnelsV2: () => ({
        result: { status: Status.SUCCESS },
        tunnels: [
          { host: "a.example", port: 443, containerPort: 8000 },
          { host: "b.example", port: 4430, unencryptedHost: "b.example", unencryptedPort: 7000, containerPort: 5432 },
        ],
      }),
    });
    const tunnels = await (await Sandbox.create()).tunnels();
    expect(tunnels[8000]).toEqual({
      host: "a.example",
      port: 443,
      url: "https://a.example",
      tlsSocket: ["a.example", 443],
      tcpSocket: undefined,
      httpUrl: undefined,
    });
    expect(tunnels[5432]).toMatchObject({
      url: "https://b.example:4430",
      tcpSocket: ["b.example", 7000],
      httpUrl: "http://b.example:7000",
    });
  });

  it("is a token for requests", async () => {
    const asked: unknown[] = [];
    await serve({
      sandboxCreateConnectTokenV2(request) {
        asked.push(request);
        return { url: "https://x", token: "t" };
      },
    });
    const sandbox = await Sandbox.create();
    expect(await sandbox.createConnectToken({ port: 3000, metadata: { user: 7 } })).toEqual({ url: "https://x", token: "t" });
    expect(asked).toMatchObject([{ port: 3000, userMetadata: '{"user":7}' }]);
  });

  it("is whether it is ready, for as long as one likes to wait", async () => {
    let asked = 0;
    await serve(
      {},
      {
        sandboxWaitUntilReady() {
          if (++asked < 3) throw new LydianError("deadline_exceeded", "The probe failed.");
          return { readyAt: 1 };
        },
      },
    );
    const sandbox = await Sandbox.create();
    await sandbox.waitUntilReady();
    expect(asked).toBe(3);
    asked = -1_000;
    await expect(sandbox.waitUntilReady({ timeout: 0 })).rejects.toThrow(SandboxTimeoutError);
  });

  it("is what it may reach", async () => {
    const asked: unknown[] = [];
    await serve(
      {},
      {
        taskSetNetworkAccess({ networkAccess }) {
          asked.push(networkAccess?.networkAccessType);
          return {};
        },
      },
    );
    const sandbox = await Sandbox.create();
    await sandbox.setNetwork("none");
    await sandbox.setNetwork({ domains: ["example.com"] });
    expect(asked).toEqual([2, 3]);
  });

  it("is what its command prints, and takes what it reads", async () => {
    const input: [bigint, string, boolean][] = [];
    await serve(
      {},
      {
        async *sandboxStdioReadV2({ offset, fileDescriptor }) {
          const printed = bytes(fileDescriptor === 0 ? "one\ntwo\n" : "oops");
          const rest = printed.subarray(Number(offset));
          if (rest.length > 0) yield { data: rest, startingOffset: offset };
        },
        sandboxStdinWriteV2({ offset, data, eof }) {
          input.push([offset, text(data), eof]);
          return {};
        },
      },
    );
    const sandbox = await Sandbox.create({ command: ["cat"] });
    await sandbox.stdin.write("ü");
    await sandbox.stdin.end("x");
    expect(input).toEqual([
      [0n, "ü", false],
      [2n, "x", true],
    ]);
    expect(await sandbox.stdout.text()).toBe("one\ntwo\n");
    expect(await sandbox.stderr.text()).toBe("oops");
  });

  it("says when output is missing", async () => {
    await serve(
      {},
      {
        async *sandboxStdioReadV2() {
          yield { data: bytes("end"), startingOffset: 100n };
        },
      },
    );
    const sandbox = await Sandbox.create();
    const warning = new Promise<Error>((resolve) => process.once("warning", resolve));
    expect(await sandbox.stdout.text()).toBe("end");
    expect((await warning).message).toBe("100 bytes of stdout of the sandbox sb-1 are no longer kept and were left out.");
  });

  it("asks for its container when it is found by its id, once", async () => {
    let asked = 0;
    await serve(
      {
        sandboxGetTaskIdV2: () => (++asked === 1 ? {} : { taskId: "ta-9" }),
      },
      { taskExecPoll: ({ taskId }) => ({ exitStatus: { case: "code", value: taskId === "ta-9" ? 0 : 1 } }), taskExecStart: () => ({}) },
    );
    const sandbox = await Sandbox.fromId("sb-1");
    expect(await Promise.all([sandbox.exec(["a"]).poll(), sandbox.exec(["b"]).poll()])).toEqual([0, 0]);
    expect(asked).toBe(2);
  });
});

describe("snapshots and mounts", () => {
  it("give an image, kept for as long as asked", async () => {
    const asked: unknown[] = [];
    await serve(
      {},
      {
        taskSnapshotFilesystem({ taskId, ttlSeconds, containerId }) {
          asked.push([taskId, containerId, ttlSeconds]);
          return { imageId: "im-files" };
        },
        taskSnapshotDirectory({ path, ttlSeconds, snapshotId }) {
          asked.push([text(path), ttlSeconds, snapshotId.length]);
          return { imageId: "im-dir" };
        },
      },
    );
    const sandbox = await Sandbox.create();
    expect((await sandbox.snapshotFilesystem()).baseId).toBe("im-files");
    expect((await sandbox.snapshotFilesystem({ ttl: null })).baseId).toBe("im-files");
    expect((await sandbox.snapshotDirectory("/work", { ttl: "1h" })).baseId).toBe("im-dir");
    expect(asked).toEqual([
      ["ta-1", "", undefined],
      ["ta-1", "", -1n],
      ["/work", 3600n, 36],
    ]);
    await expect(sandbox.snapshotDirectory("work")).rejects.toThrow('The path is "work"; it must be an absolute path in the container.');
  });

  it("are mounted and taken away", async () => {
    const asked: unknown[] = [];
    await serve(
      {},
      {
        taskMountDirectory({ path, imageId }) {
          asked.push(["mount", text(path), imageId]);
          return {};
        },
        taskUnmountDirectory({ path }) {
          asked.push(["unmount", text(path)]);
          return {};
        },
      },
    );
    const sandbox = await Sandbox.create();
    await sandbox.mountImage("/data", Image.fromId("im-dir"));
    await sandbox.mountImage("/empty");
    await sandbox.unmountImage("/data");
    expect(asked).toEqual([
      ["mount", "/data", "im-dir"],
      ["mount", "/empty", ""],
      ["unmount", "/data"],
    ]);
  });

  it("end with the caller's patience", async () => {
    await serve(
      {},
      { taskSnapshotFilesystem: (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve({}))) },
    );
    await expect((await Sandbox.create()).snapshotFilesystem({ timeout: "20ms" })).rejects.toThrow(SandboxTimeoutError);
  });
});

describe("sidecars", () => {
  it("are made, found, used and ended in their sandbox", async () => {
    const asked: unknown[] = [];
    await serve(
      {
        sandboxContainerCreateV2({ sandboxId, containerName, definition }) {
          asked.push([sandboxId, containerName, definition?.entrypointArgs, definition?.imageId]);
          return { containerId: "ctr-1", containerName };
        },
      },
      {
        taskContainerGet: ({ containerName }) => ({ container: { containerId: "ctr-1", containerName, status: "running" } }),
        taskContainerList: () => ({
          containers: [
            { containerId: "", containerName: "main", status: "running" },
            { containerId: "ctr-1", containerName: "db", status: "running" },
          ],
        }),
        taskExecStart({ containerId }) {
          asked.push(containerId);
          return {};
        },
        taskExecPoll: () => ({}),
        taskContainerTerminate: () => ({}),
        taskContainerWait: () => ended(Status.TERMINATED),
      },
    );
    const sandbox = await Sandbox.create();
    const sidecar = await sandbox.containers.create({ name: "db", command: ["redis-server"] });
    expect(sidecar).toMatchObject({ id: "ctr-1", name: "db" });
    await sidecar.exec(["true"]).poll();
    expect((await sandbox.containers.list()).map(({ name }) => name)).toEqual(["db"]);
    expect((await sandbox.containers.get("db")).id).toBe("ctr-1");
    expect(await sidecar.terminate({ wait: true })).toBe(137);
    await expect(sidecar.wait()).rejects.toThrow('The container "db" of the sandbox sb-1 was terminated.');
    expect(asked).toEqual([["sb-1", "db", ["redis-server"], "im-1"], "ctr-1"]);
    await expect(sandbox.containers.create({ name: "main" })).rejects.toThrow(InvalidError);
    await expect(sandbox.containers.create({ name: "x", timeout: "1m" } as never)).rejects.toThrow(
      "There is no option `timeout` of a container",
    );
  });
});
