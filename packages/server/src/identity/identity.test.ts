import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ModalClient, type Peer, Runtime } from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { RouterTokens } from "../execs/router-access.ts";
import { AuthTokens } from "./auth-tokens.ts";
import { createAuthenticate } from "./authenticate.ts";
import type { ContainerCaller } from "./caller.ts";
import { Environments } from "./environments.ts";
import { ensureLocalToken, ensureWorkspace, type Workspace } from "./first-start.ts";
import { createIdentityRpc } from "./rpc.ts";
import { Tokens } from "./tokens.ts";

let database: Database;
let workspace: Workspace;
let environments: Environments;
let tokens: Tokens;
let now: number;
const openTokens = () => new Tokens(database, () => now);

beforeEach(async () => {
  now = 5_000_000;
  database = openDatabase({ path: ":memory:" });
  environments = new Environments(database);
  workspace = await ensureWorkspace(database, environments);
  tokens = openTokens();
});
afterEach(() => database.close());

describe("tokens", () => {
  it("are accepted with their secret only, also after a restart", async () => {
    const { tokenId, tokenSecret } = await tokens.create(workspace.id, "laptop");
    for (const known of [tokens, openTokens()]) {
      expect(known.verify(tokenId, tokenSecret)).toMatchObject({ id: tokenId, workspaceId: workspace.id, name: "laptop" });
      for (const wrong of ["", tokenSecret.slice(0, -1), `${tokenSecret}x`, tokenId]) expect(known.verify(tokenId, wrong)).toBeUndefined();
      expect(known.verify("ak-unknown", tokenSecret)).toBeUndefined();
    }
  });

  it("have 256 random bits, which are stored nowhere", async () => {
    const { tokenSecret } = await tokens.create(workspace.id, "laptop");
    expect(Buffer.from(tokenSecret.slice("as-".length), "base64url")).toHaveLength(32);
    const [row] = database.prepare("SELECT * FROM tokens").all<Record<string, unknown>>();
    expect(JSON.stringify(row)).not.toContain(tokenSecret.slice(3));
    expect(row?.secret_sha256).toHaveLength(32);
  });

  it("cost no statement per call: their use is noted once a minute", async () => {
    const { tokenId, tokenSecret } = await tokens.create(workspace.id, "laptop");
    const { commit } = database;
    let commits = 0;
    database.commit = (work) => {
      commits++;
      return commit.call(database, work) as never;
    };
    for (let call = 0; call < 100; call++) tokens.verify(tokenId, tokenSecret);
    expect(commits).toBe(1);
    now += 61_000;
    tokens.verify(tokenId, tokenSecret);
    expect(commits).toBe(2);
    expect(tokens.list(workspace.id)).toEqual([expect.objectContaining({ lastUsedAt: now })]);
    await commit.call(database, () => 0);
    expect(openTokens().list(workspace.id)[0]?.lastUsedAt).toBe(now);
  });

  it("end when they are revoked, but the last one stays", async () => {
    const [one, two] = [await tokens.create(workspace.id, "one"), await tokens.create(workspace.id, "two")];
    await expect(tokens.revoke("ac-other", one.tokenId)).rejects.toMatchObject({ code: "not_found" });
    const ends = await Promise.allSettled([one, two].map(({ tokenId }) => tokens.revoke(workspace.id, tokenId)));
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect((ends[1] as PromiseRejectedResult).reason).toMatchObject({
      code: "failed_precondition",
      hint: expect.stringContaining("lydian token create"),
    });
    expect(tokens.verify(one.tokenId, one.tokenSecret)).toBeUndefined();
    expect(tokens.verify(two.tokenId, two.tokenSecret)).toBeDefined();
  });

  it("are made once by a request that is repeated; only the secret of the last answer is good", async () => {
    const first = await tokens.create(workspace.id, "laptop", "key");
    const second = await openTokens().create(workspace.id, "laptop", "key");
    expect(second.tokenId).toBe(first.tokenId);
    const known = openTokens();
    expect(known.list(workspace.id)).toHaveLength(1);
    expect([known.verify(first.tokenId, first.tokenSecret), known.verify(second.tokenId, second.tokenSecret)?.id]).toEqual([
      undefined,
      first.tokenId,
    ]);
  });

  it.each(["", "a".repeat(65), "line\nbreak", "<b>"])("may not be called %j", async (name) => {
    await expect(tokens.create(workspace.id, name)).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

describe("the local token", () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), "ly-token-"));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));
  const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as { tokenId: string; tokenSecret: string };

  it("is readable by its owner only, works, and is kept as long as it does", async () => {
    const file = await ensureLocalToken(dataDir, workspace, tokens);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const token = read(file);
    expect(tokens.verify(token.tokenId, token.tokenSecret)).toBeDefined();
    await ensureLocalToken(dataDir, workspace, openTokens());
    expect(read(file)).toEqual(token);
  });

  it("is made anew when the file is damaged", async () => {
    const file = await ensureLocalToken(dataDir, workspace, tokens);
    writeFileSync(file, "{");
    await ensureLocalToken(dataDir, workspace, tokens);
    const { tokenId, tokenSecret } = read(file);
    expect(tokens.verify(tokenId, tokenSecret)).toBeDefined();
  });
});

describe("environments", () => {
  it("begin with a default one, found by the empty name", () => {
    expect(environments.require(workspace.id, "")).toMatchObject({ name: "main", isDefault: true });
  });

  it("are created once, found again, deleted, and free their name", async () => {
    const made = await environments.create(workspace.id, "staging", { idempotencyKey: "k" });
    expect((await environments.create(workspace.id, "staging", { idempotencyKey: "k" })).id).toBe(made.id);
    await expect(environments.create(workspace.id, "staging")).rejects.toMatchObject({ code: "already_exists" });
    const twice = await Promise.allSettled([environments.create(workspace.id, "two"), environments.create(workspace.id, "two")]);
    expect(twice.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    await environments.delete(workspace.id, "staging");
    expect(() => environments.require(workspace.id, "staging")).toThrow('There is no environment "staging"; there are: main, two.');
    expect(environments.nameOf(made.id)).toBe("staging");
    expect((await environments.create(workspace.id, "staging")).id).not.toBe(made.id);
    expect(new Environments(database).list(workspace.id).map(({ name }) => name)).toEqual(["main", "two", "staging"]);
  });

  it("keep their default one", async () => {
    await expect(environments.delete(workspace.id, "")).rejects.toMatchObject({ code: "failed_precondition" });
  });

  it.each(["", "en-1", "-a", "a b", "a".repeat(65), "é"])("may not be called %j", async (name) => {
    await expect(environments.create(workspace.id, name)).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("take another name, unless it is taken, and keep their id", async () => {
    const made = await environments.create(workspace.id, "staging");
    await environments.create(workspace.id, "live");
    const rpc = createIdentityRpc({ workspace, environments, tokens, stopApps: async () => {} });
    const context = { caller: { kind: "client", workspaceId: workspace.id, tokenId: "ak-1" } } as never;
    const update = (changes: object) => rpc.environmentUpdate?.({ currentName: "staging", ...changes } as never, context);
    await expect(async () => update({ name: "live" })).rejects.toMatchObject({ code: "already_exists" });
    await expect(async () => update({ name: "en-1" })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(async () => update({ webSuffix: "x" })).rejects.toMatchObject({ code: "unimplemented" });
    await expect(async () => update({ imageBuilderVersion: "2023.12" })).rejects.toThrow(/as version 2025.06 does, not as "2023.12"/);
    expect(await update({ name: "test" })).toMatchObject({ environmentId: made.id, name: "test" });
    expect(new Environments(database).require(workspace.id, "test").id).toBe(made.id);
    expect(environments.find(workspace.id, "staging")).toBeUndefined();
  });
});

it("environments are seen by containers one at a time, and not made", async () => {
  const made = await environments.create(workspace.id, "staging");
  const rpc = createIdentityRpc({ workspace, environments, tokens, stopApps: async () => {} });
  const caller = { kind: "container", workspaceId: workspace.id, environmentId: made.id };
  const ask = (request: object) => rpc.environmentGetOrCreate?.(request as never, { caller, headers: {} } as never);
  expect(await ask({ deploymentName: "", objectCreationType: 0 })).toMatchObject({ environmentId: made.id });
  expect(await ask({ deploymentName: "staging", objectCreationType: 0 })).toMatchObject({ environmentId: made.id });
  for (const request of [
    { deploymentName: "main", objectCreationType: 0 },
    { deploymentName: "new", objectCreationType: 1 },
    { deploymentName: "staging", objectCreationType: 1 },
  ])
    await expect(async () => ask(request)).rejects.toMatchObject({ code: "permission_denied" });
  expect(environments.find(workspace.id, "new")).toBeUndefined();
});

describe("callers", () => {
  const tcp: Peer = { transport: "tcp" };
  const socket: Peer = { transport: "unix", label: "ta-1" };
  const path = (name: keyof typeof ModalClient.method) => `/${ModalClient.typeName}/${ModalClient.method[name].name}`;
  const container: ContainerCaller = {
    kind: "container",
    taskId: "ta-1",
    workspaceId: "ac-1",
    environmentId: "en-1",
    appId: "ap-1",
    functionId: "fu-1",
  };
  const routerTokens = new RouterTokens(Buffer.alloc(32, 1));
  const authenticate = (known?: ContainerCaller) =>
    createAuthenticate(
      tokens,
      (taskId) => (taskId === known?.taskId ? known : undefined),
      (authorization) => routerTokens.verify(authorization),
    );

  it("are programs with the right to one container, where its processes are reached and nowhere else", () => {
    const headers = { authorization: `Bearer ${routerTokens.issue("ta-1", "ac-1")}` };
    for (const method of ["/modal.task_command_router.TaskCommandRouter/TaskExecStart", "/lydian.v1.Processes/Signal"]) {
      expect(authenticate()(headers, { transport: "tcp" }, method)).toEqual({ kind: "router", taskId: "ta-1", workspaceId: "ac-1" });
      expect(() => authenticate()({}, { transport: "tcp" }, method)).toThrow(/no token/);
    }
    expect(() => authenticate()(headers, { transport: "tcp" }, "/modal.client.ModalClient/SandboxList")).toThrow(/no token/);
  });

  it("are containers with such a right, for as long as they live", () => {
    const headers = { authorization: `Bearer ${routerTokens.issue("ta-9", "ac-1")}` };
    const method = "/modal.task_command_router.TaskCommandRouter/TaskExecStart";
    expect(authenticate(container)(headers, socket, method)).toEqual({ kind: "router", taskId: "ta-9", workspaceId: "ac-1", container });
    expect(() => authenticate(container)({}, socket, method)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
    expect(() => authenticate()(headers, socket, method)).toThrow("This container has ended.");
  });

  it("are clients with a token", async () => {
    const { tokenId, tokenSecret } = await tokens.create(workspace.id, "laptop");
    const headers = { "x-modal-token-id": tokenId, "x-modal-token-secret": tokenSecret };
    expect(authenticate()(headers, tcp, path("appCreate"))).toEqual({ kind: "client", workspaceId: workspace.id, tokenId });
    const wrong = { ...headers, "x-modal-token-secret": "as-wrong" };
    expect(() => authenticate()(wrong, tcp, path("appCreate"))).toThrow(
      expect.objectContaining({ code: "unauthenticated", hint: expect.stringContaining("lydian token create") }),
    );
    expect(() => authenticate()({}, tcp, path("appCreate"))).toThrow(expect.objectContaining({ code: "unauthenticated" }));
  });

  it("may say their token twice, as the official Go client does when it asks for an auth token", async () => {
    const { tokenId, tokenSecret } = await tokens.create(workspace.id, "laptop");
    const headers = { "x-modal-token-id": `${tokenId}, ${tokenId}`, "x-modal-token-secret": `${tokenSecret}, ${tokenSecret}` };
    expect(authenticate()(headers, tcp, path("authTokenGet"))).toMatchObject({ kind: "client", tokenId });
  });

  it("are containers on the socket that is theirs, for as long as they live", () => {
    expect(authenticate(container)({}, socket, path("functionGetInputs"))).toBe(container);
    expect(authenticate(container)({}, socket, `/${Runtime.typeName}/Start`)).toBe(container);
    expect(() => authenticate()({}, socket, path("functionGetInputs"))).toThrow(expect.objectContaining({ code: "unauthenticated" }));
  });

  it("gain nothing by a token inside a container", async () => {
    const { tokenId, tokenSecret } = await tokens.create(workspace.id, "stolen");
    const headers = { "x-modal-token-id": tokenId, "x-modal-token-secret": tokenSecret };
    for (const method of [
      path("appCreate"),
      path("appStop"),
      path("environmentDelete"),
      path("appGetLogs"),
      "/lydian.v1.Lydian/TokenCreate",
    ])
      expect(() => authenticate(container)(headers, socket, method)).toThrow(expect.objectContaining({ code: "permission_denied" }));
  });
});

it("tokens of a short life say when they end, in a payload that plain base64 can read", () => {
  const [, payload = ""] = new AuthTokens(() => 1_000_000).issue({ kind: "client", workspaceId: "ac-1", tokenId: "ak-1" }).split(".");
  expect(JSON.parse(atob(payload))).toEqual({ sub: "ak-1", iat: 1_000, exp: 4_600 });
});
