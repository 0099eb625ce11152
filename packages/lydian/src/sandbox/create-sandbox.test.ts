import { LydianError, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { App } from "../app.ts";
import { AlreadyExistsError, InvalidError, NotFoundError } from "../errors.ts";
import { Image } from "../image/image.ts";
import { Secret } from "../secret.ts";
import { setSession } from "../session.ts";
import type { TestServer } from "../test-server.ts";
import { Probe } from "./probe.ts";
import { Sandbox } from "./sandbox.ts";
import type { SandboxOptions } from "./sandbox-options.ts";
import { ended, readyImage, startSandboxServer } from "./test-sandbox.ts";

let server: TestServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

const serve = async (...handlers: Parameters<typeof startSandboxServer>) => {
  server = await startSandboxServer(...handlers);
  return server;
};

describe("Sandbox.create", () => {
  it("asks for the defaults in the app that runs", async () => {
    const asked: unknown[] = [];
    await serve({
      sandboxCreateV2(request) {
        asked.push(request);
        return { sandboxId: "sb-1", taskId: "ta-1" };
      },
    });
    const sandbox = await Sandbox.create();
    expect(sandbox).toMatchObject({ id: "sb-1", name: undefined, exitCode: undefined });
    expect(asked).toMatchObject([
      {
        appId: "ap-test",
        tags: [],
        secretSources: [],
        definition: { imageId: "im-1", entrypointArgs: [], timeoutSecs: 300, networkAccess: { networkAccessType: 1 }, verbose: false },
      },
    ]);
  });

  it("sends every option", async () => {
    const asked: unknown[] = [];
    await serve({
      secretGetOrCreate: ({ deploymentName }) => ({ secretId: `st-${deploymentName}` }),
      sandboxCreateV2(request) {
        asked.push(request);
        return { sandboxId: "sb-1", taskId: "ta-1" };
      },
    });
    await Sandbox.create({
      name: "worker",
      tags: { team: "search" },
      command: ["sleep", "60"],
      timeout: "10m",
      idleTimeout: "90s",
      workdir: "/work",
      env: { A: "1" },
      secrets: [Secret.fromName("db"), Secret.fromObject({ B: "2" })],
      cpu: { request: 0.5, limit: 2 },
      memory: "1Gi",
      gpu: "A100:2",
      runtime: "gvisor",
      network: { cidrs: ["10.0.0.0/8"], domains: ["*.pypi.org"] },
      inboundCidrs: ["192.0.2.0/24"],
      pty: { rows: 30, columns: 100 },
      ports: { tls: [8000], h2: [8001], tcp: [5432] },
      readiness: Probe.tcp(8000, { interval: "1s" }),
      verbose: true,
    });
    expect(asked).toMatchObject([
      {
        tags: [{ tagName: "team", tagValue: "search" }],
        secretSources: [
          { source: { case: "secretId", value: "st-db" } },
          { source: { case: "env", value: { contents: { B: "2" } } } },
          { source: { case: "env", value: { contents: { A: "1" } } } },
        ],
        definition: {
          name: "worker",
          entrypointArgs: ["sleep", "60"],
          timeoutSecs: 600,
          idleTimeoutSecs: 90,
          workdir: "/work",
          secretIds: ["st-db"],
          resources: { milliCpu: 500, milliCpuMax: 2000, memoryMb: 1024, memoryMbMax: 1024, gpuConfig: { gpuType: "A100", count: 2 } },
          runtime: "gvisor",
          networkAccess: { networkAccessType: 3, allowedCidrs: ["10.0.0.0/8"], allowedDomains: ["*.pypi.org"] },
          inboundCidrAllowlist: ["192.0.2.0/24"],
          ptyInfo: { enabled: true, winszRows: 30, winszCols: 100 },
          openPortsOneof: {
            case: "openPorts",
            value: {
              ports: [
                { port: 8000, unencrypted: false },
                { port: 8001, tunnelType: 1 },
                { port: 5432, unencrypted: true },
              ],
            },
          },
          readinessProbe: { probeOneof: { case: "tcpPort", value: 8000 }, intervalMs: 1000 },
          verbose: true,
        },
      },
    ]);
  });

  it.each<[unknown, string]>([
    [{ volumes: {} }, "The option `volumes` of a sandbox is not served yet"],
    [{ proxy: {} }, "The option `proxy` of a sandbox is not served yet"],
    [{ command: "ls" }, '`command` is "ls"; it must be a list of strings'],
    [{ tiemout: 1 }, "There is no option `tiemout` of a sandbox."],
    [null, "The options of a sandbox are null; they must be an object."],
    ["ls", 'The options of a sandbox are "ls"'],
    [{ app: 5 }, "`app` is 5; it must be an App or the name of one."],
    [{ command: [""] }, '`command` is [""]'],
    [{ timeout: 0 }, "`timeout` is 0; it must be from 1 s to 24 h."],
    [{ timeout: "2d" }, '`timeout` is "2d"; it must be from 1 s to 24 h.'],
    [{ verbose: "yes" }, '`verbose` is "yes"; it must be true or false.'],
    [{ inboundCidrs: "10.0.0.0/8" }, '`inboundCidrs` is "10.0.0.0/8"; it must be a list of ranges'],
    [{ memory: null }, "`memory` is null"],
    [{ cpu: null }, "`cpu` is null"],
    [{ workdir: "work" }, '`workdir` is "work"; it must be an absolute path'],
    [{ cpu: -1 }, "`cpu` is -1"],
    [{ memory: { request: "2Gi", limit: "1Gi" } }, "the limit must not be below the request"],
    [{ gpu: "two" + " of them" }, '`gpu` is "two of them"'],
    [{ network: "closed" }, '`network` is "closed"; it must be "open", "none" or'],
    [{ ports: { tls: [80], tcp: [80] } }, "The port 80 is in `ports` twice."],
    [{ ports: { tls: 80 } }, '`ports` is {"tls":80}; it must be { tls: […]'],
    [{ ports: { tls: [0] } }, "A port of `ports` is 0"],
    [{ tags: { a: 1 } }, "`tags` is"],
    [{ readiness: { tcp: 80 } }, "`readiness` must be a Probe"],
    [{ runtime: "docker" }, '`runtime` is "docker"'],
    [{ env: ["A=1"] }, "`env` must be an object of strings"],
    [{ env: { "A-B": "1" } }, '"A-B" is no name of a variable'],
    [{ onDispose: "kill" }, '`onDispose` is "kill"'],
  ])("refuses %j before it asks for anything", async (options, message) => {
    await serve({ sandboxCreateV2: () => expect.unreachable() as never });
    const refused = Sandbox.create(options as SandboxOptions);
    await expect(refused).rejects.toThrow(InvalidError);
    await expect(Sandbox.create(options as SandboxOptions)).rejects.toThrow(message);
  });

  it("builds an image once, and again when it was deleted meanwhile", async () => {
    let built = 0;
    let created = 0;
    await serve({
      imageGetOrCreate: () => ({ ...readyImage, imageId: `im-${++built}` }),
      sandboxCreateV2({ definition }) {
        if (++created === 3 && definition?.imageId === "im-1") throw new LydianError("not_found", "No image im-1.");
        return { sandboxId: `sb-${definition?.imageId}`, taskId: "ta-1" };
      },
    });
    const image = Image.debianSlim().env({ A: "1" });
    await Sandbox.create({ image });
    await Sandbox.create({ image });
    expect(built).toBe(1);
    expect((await Sandbox.create({ image })).id).toBe("sb-im-2");
    expect(built).toBe(2);
  });

  it("starts from a snapshot without building", async () => {
    await serve({
      imageGetOrCreate: () => expect.unreachable() as never,
      sandboxCreateV2: ({ definition }) => ({ sandboxId: `sb-${definition?.imageId}`, taskId: "ta-1" }),
    });
    expect((await Sandbox.create({ image: Image.fromId("im-snap") })).id).toBe("sb-im-snap");
  });

  it("makes the app that is named, and without one says how to name it", async () => {
    const { client } = await serve({
      appGetOrCreate: ({ appName, objectCreationType }) => ({ appId: `ap-${appName}-${objectCreationType}` }),
      sandboxCreateV2: ({ appId }) => ({ sandboxId: `sb-${appId}`, taskId: "ta-1" }),
    });
    expect((await Sandbox.create({ app: "agents" })).id).toBe("sb-ap-agents-1");
    expect((await Sandbox.create({ app: new App("here") })).id).toBe("sb-ap-test");
    setSession({ serverUrl: client.serverUrl, environment: "main", appId: undefined as never, functionIds: {} });
    expect((await Sandbox.create({ app: new App("here") })).id).toBe("sb-ap-here-1");
    await expect(Sandbox.create()).rejects.toThrow("A sandbox belongs to an app, and none runs here.");
  });

  it("tells of a name that is taken", async () => {
    await serve({
      sandboxCreateV2() {
        throw new LydianError("already_exists", 'The name "worker" is taken.');
      },
    });
    await expect(Sandbox.create({ name: "worker" })).rejects.toThrow(AlreadyExistsError);
  });
});

describe("finding a sandbox", () => {
  it("by its id learns whether it runs", async () => {
    await serve({
      sandboxWaitV2({ sandboxId }) {
        if (sandboxId === "sb-gone") throw new LydianError("not_found", "There is no sandbox sb-gone.");
        return sandboxId === "sb-old" ? ended(Status.FAILURE, 3) : {};
      },
    });
    expect((await Sandbox.fromId("sb-1")).exitCode).toBeUndefined();
    expect((await Sandbox.fromId("sb-old")).exitCode).toBe(3);
    await expect(Sandbox.fromId("sb-gone")).rejects.toThrow(NotFoundError);
  });

  it("by its name asks in the app", async () => {
    const asked: unknown[] = [];
    await serve({
      sandboxGetFromNameV2(request) {
        asked.push(request);
        return { sandboxId: "sb-7" };
      },
    });
    expect(await Sandbox.fromName("agents", "worker")).toMatchObject({ id: "sb-7", name: "worker" });
    expect(asked).toMatchObject([{ appName: "agents", sandboxName: "worker", environmentName: "main", includeTerminated: false }]);
  });

  it("goes through all pages, with the tags that are asked for", async () => {
    const asked: [number, unknown][] = [];
    await serve({
      sandboxListV2({ beforeTimestamp, tags }) {
        asked.push([beforeTimestamp, tags.map(({ tagName, tagValue }) => [tagName, tagValue])]);
        const createdAt = beforeTimestamp === 0 ? 3.5 : beforeTimestamp - 1;
        return createdAt < 1 ? {} : { sandboxes: [{ id: `sb-${createdAt}`, createdAt, name: createdAt === 3.5 ? "newest" : "" }] };
      },
    });
    const found: [string, string | undefined][] = [];
    for await (const { id, name } of Sandbox.list({ tags: { team: "search" } })) found.push([id, name]);
    expect(found).toEqual([
      ["sb-3.5", "newest"],
      ["sb-2.5", undefined],
      ["sb-1.5", undefined],
    ]);
    expect(asked.map(([before]) => before)).toEqual([0, 3.5, 2.5, 1.5]);
    expect(asked[0]?.[1]).toEqual([["team", "search"]]);
  });
});
