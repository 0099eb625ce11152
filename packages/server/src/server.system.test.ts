// The server as its clients meet it: over real sockets, stopped and started again.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AppDisconnectReason,
  AppState,
  type Client,
  type Connection,
  connect,
  Lydian,
  ModalClient,
  ObjectCreationType,
  type TaskLogsBatch,
} from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServerConfig } from "./config.ts";
import { type RunningServer, startServer } from "./main.ts";

const DIST = join(import.meta.dirname, "../../lydian/dist");

let dataDir: string;
let server: RunningServer;
let connections: Connection[];
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "ly-system-"));
  connections = [];
  server = await start();
});
afterEach(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
});

const start = (changes: Partial<ServerConfig> = {}) =>
  startServer({
    dataDir,
    port: 0,
    containerHost: "process",
    runtimeDir: join(DIST, "runtime"),
    launcherProgram: join(DIST, "launcher.js"),
    logLevel: "error",
    ...changes,
  });

interface Api {
  readonly modal: Client<typeof ModalClient>;
  readonly lydian: Client<typeof Lydian>;
  readonly connection: Connection;
}

const localToken = (): Record<string, string> => {
  const { tokenId, tokenSecret } = JSON.parse(readFileSync(server.tokenFile, "utf8")) as { tokenId: string; tokenSecret: string };
  return { "x-modal-token-id": tokenId, "x-modal-token-secret": tokenSecret };
};

function api(headers: Record<string, string> = localToken(), url = server.url): Api {
  const connection = connect({ url, headers });
  connections.push(connection);
  return { modal: connection.service(ModalClient), lydian: connection.service(Lydian), connection };
}

async function restart(): Promise<Api> {
  await server.stop();
  server = await start();
  return api();
}

const newApp = (modal: Api["modal"], key?: string) =>
  modal.appCreate(
    { description: "hello", appState: AppState.EPHEMERAL },
    key === undefined ? {} : { headers: { "x-idempotency-key": key }, retry: false },
  );

async function collect(batches: AsyncIterable<TaskLogsBatch>): Promise<TaskLogsBatch[]> {
  const all: TaskLogsBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

describe("who may call", () => {
  it("is who has a token, over TCP and over the socket", async () => {
    for (const url of [server.url, server.socketUrl]) {
      const { modal, lydian } = api(localToken(), url);
      expect(await modal.clientHello({})).toMatchObject({ imageBuilderVersion: "2025.06" });
      expect(await modal.workspaceNameLookup({})).toMatchObject({ username: "default" });
      expect(await modal.tokenInfoGet({})).toMatchObject({ tokenId: localToken()["x-modal-token-id"], tokenName: "local" });
      expect(await lydian.serverInfo({})).toMatchObject({ containerHost: "process", workspace: "default" });
    }
  });

  it("is nobody else, and is told the way out", async () => {
    const wrong = { ...localToken(), "x-modal-token-secret": "as-wrong" };
    for (const url of [server.url, server.socketUrl])
      for (const headers of [{}, wrong, { "x-modal-token-id": "ak-unknown", "x-modal-token-secret": "x" }])
        await expect(api(headers, url).modal.clientHello({})).rejects.toMatchObject({
          code: "unauthenticated",
          hint: expect.stringContaining("LYDIAN_TOKEN_ID"),
        });
  });

  it("speaks the protocol of this server: a client of another version is told so", async () => {
    const other = api({ ...localToken(), "x-lydian-protocol": "another" });
    await expect(other.modal.clientHello({})).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining('This client speaks version "another" of the protocol; this server speaks 2.'),
      hint: expect.stringContaining("lydian --version"),
    });
  });

  it("is decided by the owner: tokens are made, listed and revoked", async () => {
    const { lydian } = api();
    const made = await lydian.tokenCreate({ name: "laptop" });
    const other = api({ "x-modal-token-id": made.tokenId, "x-modal-token-secret": made.tokenSecret });
    expect((await other.lydian.tokenList({})).tokens).toMatchObject([
      { name: "local", current: false },
      { name: "laptop", current: true },
    ]);
    await lydian.tokenRevoke({ tokenId: made.tokenId });
    await expect(other.modal.clientHello({})).rejects.toMatchObject({ code: "unauthenticated" });
    const last = localToken()["x-modal-token-id"] ?? "";
    await expect(lydian.tokenRevoke({ tokenId: last })).rejects.toMatchObject({ code: "failed_precondition" });
  });

  it("finds the secrets in files of its own only", () => {
    expect(statSync(server.tokenFile).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, "api.sock")).mode & 0o777).toBe(0o600);
  });
});

describe("an app", () => {
  it("lives from its creation to the last log line", async () => {
    const { modal } = api();
    const { appId } = await newApp(modal);
    await modal.appHeartbeat({ appId });
    await modal.appPublish({ appId, name: "", appState: AppState.EPHEMERAL });
    expect((await modal.appList({})).apps).toMatchObject([{ appId, description: "hello", state: AppState.EPHEMERAL }]);
    expect(await modal.appGetLayout({ appId })).toMatchObject({ appLayout: { objects: [] } });
    const logs = collect(modal.appGetLogs({ appId, timeout: 55 }));
    await modal.appClientDisconnect({ appId, reason: AppDisconnectReason.LOCAL_EXCEPTION, exception: "boom" });
    expect((await logs).at(-1)).toMatchObject({ appDone: true });
    expect(await modal.appGetLifecycle({ appId })).toMatchObject({ lifecycle: { appState: AppState.STOPPED } });
    for (const late of [() => modal.appHeartbeat({ appId }), () => modal.functionPrecreate({ appId, functionName: "f" })])
      await expect(late()).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringMatching(/was stopped.*boom/) });
    await modal.appStop({ appId });
    await modal.appClientDisconnect({ appId });
  });

  it("is made once by a request that is repeated, also after a restart", async () => {
    const { modal } = api();
    const { appId } = await newApp(modal, "key-1");
    expect((await newApp(modal, "key-1")).appId).toBe(appId);
    const again = await restart();
    expect((await newApp(again.modal, "key-1")).appId).toBe(appId);
    expect((await newApp(again.modal, "key-2")).appId).not.toBe(appId);
  });

  it("stays when it is deployed, under its name, also after a restart", async () => {
    const { modal } = api();
    expect(await modal.appGetByDeploymentName({ name: "shop" })).toMatchObject({ appId: "", environmentName: "main" });
    await expect(modal.functionGet({ appName: "shop", objectTag: "f" })).rejects.toMatchObject({ code: "not_found" });
    const { appId } = await modal.appCreate({ description: "shop", appState: AppState.INITIALIZING });
    const { classId } = await modal.classCreate({ appId });
    expect(classId).toMatch(/^cs-/);
    await modal.appPublish({ appId, name: "shop", appState: AppState.DEPLOYED }, { headers: { "x-modal-client-version": "1.6.4" } });
    await modal.appClientDisconnect({ appId, reason: AppDisconnectReason.ENTRYPOINT_COMPLETED });
    const again = await restart();
    expect(await again.modal.appGetByDeploymentName({ name: "shop" })).toMatchObject({
      appId,
      lifecycle: { appState: AppState.DEPLOYED, version: 1 },
    });
    expect(await again.modal.appDeploymentHistory({ appId })).toMatchObject({
      productionAppVersion: 1,
      appDeploymentHistories: [{ version: 1, clientVersion: "1.6.4" }],
    });
    await expect(again.modal.functionGet({ appName: "shop", objectTag: "f" })).rejects.toThrow('The app "shop" has no function "f".');
    await again.modal.appStop({ appId });
    expect(await again.modal.appGetByDeploymentName({ name: "shop" })).toMatchObject({ appId: "", previousAppId: appId });
  });

  it.each(["ap-0000000000000000000000", "", "im-1", "' OR 1=1"])("is not found by the id %j", async (appId) => {
    const { modal } = api();
    const calls = [
      modal.appGetLifecycle({ appId }),
      modal.appStop({ appId }),
      collect(modal.appGetLogs({ appId })),
      modal.appGetLayout({ appId }),
    ];
    for (const outcome of await Promise.allSettled(calls))
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "not_found" } });
  });
});

describe("environments", () => {
  it("are made, listed, used and deleted with what runs in them", async () => {
    const { modal } = api();
    const made = await modal.environmentGetOrCreate({
      deploymentName: "staging",
      objectCreationType: ObjectCreationType.CREATE_IF_MISSING,
    });
    expect(made).toMatchObject({ metadata: { name: "staging", settings: { imageBuilderVersion: "2025.06" } } });
    expect((await modal.environmentList({})).items).toMatchObject([
      { name: "main", default: true },
      { name: "staging", default: false },
    ]);
    const { appId } = await modal.appCreate({ appState: AppState.EPHEMERAL, environmentName: "staging" });
    await modal.environmentDelete({ name: "staging" });
    expect(await modal.appGetLifecycle({ appId })).toMatchObject({ lifecycle: { appState: AppState.STOPPED } });
    const gone = modal.appCreate({ appState: AppState.EPHEMERAL, environmentName: "staging" });
    await expect(gone).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining("main") });
  });
});

describe("starting and stopping", () => {
  it("keeps tokens, environments and apps", async () => {
    const { modal, lydian } = api();
    const token = await lydian.tokenCreate({ name: "laptop" });
    await modal.environmentCreate({ name: "staging" });
    const { appId } = await newApp(modal);
    await restart();
    const again = api({ "x-modal-token-id": token.tokenId, "x-modal-token-secret": token.tokenSecret });
    expect((await again.modal.environmentList({})).items.map(({ name }) => name)).toEqual(["main", "staging"]);
    expect((await again.modal.appList({})).apps).toMatchObject([{ appId, state: AppState.EPHEMERAL }]);
    await again.modal.appHeartbeat({ appId });
  });

  it("refuses a second server on the same directory and names the first", async () => {
    await expect(start()).rejects.toMatchObject({
      code: "failed_precondition",
      message: `Another server (pid ${process.pid}) uses the data directory ${dataDir}.`,
    });
    expect(await api().modal.clientHello({})).toBeDefined();
  });

  it("answers what waits, closes its doors and leaves nothing when it stops", async () => {
    const { modal, lydian } = api();
    const { appId } = await newApp(modal);
    const waiting = [
      collect(modal.appGetLogs({ appId, timeout: 55 })),
      (async () => {
        for await (const news of lydian.appWatch({ appId })) void news;
      })(),
    ];
    await modal.appHeartbeat({ appId });
    await server.stop();
    await Promise.all(waiting);
    await expect(modal.clientHello({}, { retry: false })).rejects.toMatchObject({ code: "unavailable" });
    for (const file of ["api.sock", "server.lock"]) expect(existsSync(join(dataDir, file))).toBe(false);
    await server.stop();
    server = await start();
  });

  it.each<[string, Partial<ServerConfig>, RegExp]>([
    ["a port out of range", { port: 70_000 }, /port:/],
    ["an unknown container host", { containerHost: "docker" as never }, /containerHost:/],
    ["an unknown isolation", { isolation: "vm" as never }, /isolation:/],
    ["no runtime", { runtimeDir: "" }, /runtimeDir:/],
    ["too long a path", { dataDir: join(tmpdir(), "x".repeat(100)) }, /path is too long/],
  ])("is refused with %s", async (_what, changes, text) => {
    await expect(start(changes)).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(text) });
  });

  it("is refused when more isolation is demanded than there is", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "ly-system-"));
    await expect(start({ dataDir, isolation: "user-namespace" })).rejects.toThrow(
      'The isolation "user-namespace" is demanded, and the process host has none',
    );
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("leaves the directory free when a start fails", async () => {
    const port = new URL(server.url).port;
    const otherDir = mkdtempSync(join(tmpdir(), "ly-system-"));
    try {
      await expect(start({ dataDir: otherDir, port: Number(port) })).rejects.toThrow(/EADDRINUSE|in use/);
      const free = await start({ dataDir: otherDir });
      await free.stop();
    } finally {
      rmSync(otherDir, { recursive: true, force: true });
    }
  });

  it("says over plain HTTP that it is well", async () => {
    const answer = await fetch(`${server.url}/healthz`);
    expect({ status: answer.status, text: await answer.text() }).toEqual({ status: 200, text: "ok\n" });
    expect((await fetch(`${server.url}/nothing`)).status).toBe(404);
  });
});
