import { Lydian, ModalClient } from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { createAuthenticate } from "./authenticate.ts";
import { Environments } from "./environments.ts";
import { ensureWorkspace } from "./first-start.ts";
import { Tokens } from "./tokens.ts";

const APP_CREATE = `/${ModalClient.typeName}/AppCreate`;
const FUNCTION_MAP = `/${ModalClient.typeName}/FunctionMap`;

describe("identity", () => {
  let database: Database;
  let tokens: Tokens;
  let environments: Environments;
  let workspaceId = "";

  beforeEach(async () => {
    database = openDatabase({ path: ":memory:" });
    tokens = new Tokens(database);
    environments = new Environments(database);
    workspaceId = (await ensureWorkspace(database, environments)).id;
  });
  afterEach(() => database.close());

  it("makes one workspace with the environment main, once", async () => {
    expect((await ensureWorkspace(database, environments)).id).toBe(workspaceId);
    expect(environments.list(workspaceId).map(({ name, isDefault }) => [name, isDefault])).toEqual([["main", true]]);
    expect(environments.require(workspaceId, "").name).toBe("main");
  });

  it("knows a token by its secret, also after a restart, and stores only a hash", async () => {
    const { tokenId, tokenSecret } = await tokens.create(workspaceId, "ci");
    expect(tokens.verify(tokenId, tokenSecret)?.name).toBe("ci");
    expect(tokens.verify(tokenId, `${tokenSecret}x`)).toBeUndefined();
    expect(new Tokens(database).verify(tokenId, tokenSecret)?.id).toBe(tokenId);
    const row = database.prepare("SELECT * FROM tokens").get<Record<string, unknown>>();
    expect(JSON.stringify(row)).not.toContain(tokenSecret);
  });

  it("never lets the last token go, whoever asks at the same time", async () => {
    const [a, b] = await Promise.all([tokens.create(workspaceId, "a"), tokens.create(workspaceId, "b")]);
    const outcomes = await Promise.allSettled([tokens.revoke(workspaceId, a.tokenId), tokens.revoke(workspaceId, b.tokenId)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(tokens.list(workspaceId)).toHaveLength(1);
  });

  it("tells the second of two that create one environment, and refuses odd names", async () => {
    const outcomes = await Promise.allSettled([environments.create(workspaceId, "dev"), environments.create(workspaceId, "dev")]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(outcomes[1]).toMatchObject({ reason: { code: "already_exists" } });
    for (const name of ["", "en-x", "a b", "../x", "x".repeat(65)]) {
      await expect(environments.create(workspaceId, name)).rejects.toMatchObject({ code: "invalid_argument" });
    }
    await expect(environments.delete(workspaceId, "main")).rejects.toMatchObject({ code: "failed_precondition" });
    await environments.delete(workspaceId, "dev");
    expect(() => environments.require(workspaceId, "dev")).toThrow("there are: main");
  });

  it("tells who calls: a token's owner, or the container of a socket", async () => {
    const { tokenId, tokenSecret } = await tokens.create(workspaceId, "ci");
    const container = { kind: "container", taskId: "ta-1", workspaceId, environmentId: "en-1", appId: "ap-1", functionId: "fu-1" } as const;
    const authenticate = createAuthenticate(tokens, (taskId) => (taskId === "ta-1" ? container : undefined));
    const headers = { "x-modal-token-id": tokenId, "x-modal-token-secret": tokenSecret };
    expect(authenticate(headers, { transport: "tcp" }, APP_CREATE)).toEqual({ kind: "client", workspaceId, tokenId });
    expect(() => authenticate({}, { transport: "unix" }, APP_CREATE)).toThrow("carries no token");
    expect(() => authenticate({ ...headers, "x-modal-token-secret": "as-wrong" }, { transport: "tcp" }, APP_CREATE)).toThrow(
      "not valid here",
    );
    expect(authenticate({}, { transport: "unix", label: "ta-1" }, FUNCTION_MAP)).toBe(container);
    expect(() => authenticate({}, { transport: "unix", label: "ta-1" }, APP_CREATE)).toThrow("may not call AppCreate");
    expect(() => authenticate({}, { transport: "unix", label: "ta-1" }, `/${Lydian.typeName}/TokenCreate`)).toThrow(
      "may not call TokenCreate",
    );
    expect(() => authenticate(headers, { transport: "unix", label: "ta-2" }, FUNCTION_MAP)).toThrow("has ended");
  });
});
