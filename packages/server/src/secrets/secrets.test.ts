import { randomBytes } from "node:crypto";
import {
  create,
  ObjectCreationType,
  SecretGetOrCreateRequestSchema,
  SecretListRequestSchema,
  SecretUpdateRequestSchema,
} from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Database } from "../database/database.ts";
import type { Environments } from "../identity/environments.ts";
import { testContext } from "../images/test-context.ts";
import { openTestDatabase, testSecrets } from "../images/test-database.ts";
import { createSecretsRpc } from "./rpc.ts";
import { Seal } from "./seal.ts";
import type { Secrets } from "./secrets.ts";

const { UNSPECIFIED, CREATE_IF_MISSING, CREATE_FAIL_IF_EXISTS, CREATE_OVERWRITE_IF_EXISTS, ANONYMOUS_OWNED_BY_APP, EPHEMERAL } =
  ObjectCreationType;

let database: Database;
let secrets: Secrets;
let now = 1_000;
beforeEach(async () => {
  database = await openTestDatabase();
  secrets = open();
});
afterEach(() => database.close());

const KEY = randomBytes(32);
const open = (key = KEY) => testSecrets(database, { key, now: () => now++ });

const environments = {
  require: (workspaceId: string) => ({ id: workspaceId.replace("ac", "en"), name: "main" }),
  nameOf: () => "main",
} as unknown as Environments;
const rpc = () => createSecretsRpc({ secrets, environments, environmentOf: (_app, workspaceId) => workspaceId.replace("ac", "en") });
const context = (workspaceId = "ac-1", headers: Record<string, string> = {}) => testContext({ workspaceId, headers });

interface Made {
  readonly secretId: string;
  readonly metadata: { readonly keys: readonly string[] };
}
async function make(type: ObjectCreationType, envDict: Record<string, string> = {}, more: Record<string, unknown> = {}, of = context()) {
  const request = create(SecretGetOrCreateRequestSchema, { deploymentName: "db", objectCreationType: type, envDict, ...more });
  return (await rpc().secretGetOrCreate?.(request, of)) as Made;
}

describe("secrets", () => {
  it("are made by name, and give a container their variables, the last of one name", async () => {
    const { secretId, metadata } = await make(CREATE_FAIL_IF_EXISTS, { B: "2", A: "1" });
    expect(secretId).toMatch(/^st-[0-9A-Za-z]{22}$/);
    expect(metadata.keys).toEqual(["A", "B"]);
    const other = await make(ANONYMOUS_OWNED_BY_APP, { B: "3", C: "ü\n=" }, { deploymentName: "", appId: "ap-1" });
    expect(secrets.environment([secretId, other.secretId])).toEqual({ A: "1", B: "3", C: "ü\n=" });
    expect(secrets.environment([other.secretId, secretId])).toMatchObject({ B: "2" });
    expect(secrets.environment([])).toEqual({});
  });

  it("are found, replaced, or refused, as the request says", async () => {
    await expect(make(UNSPECIFIED)).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining("'db'") });
    const { secretId } = await make(CREATE_IF_MISSING, { A: "1" });
    expect((await make(UNSPECIFIED)).secretId).toBe(secretId);
    expect((await make(CREATE_IF_MISSING, { A: "2" })).secretId).toBe(secretId);
    expect(secrets.environment([secretId])).toEqual({ A: "1" });
    await expect(make(CREATE_FAIL_IF_EXISTS, { A: "3" })).rejects.toMatchObject({ code: "already_exists" });
    await expect(make(CREATE_FAIL_IF_EXISTS, { A: "3" }, {}, context("ac-1", { "x-idempotency-key": "k" }))).rejects.toMatchObject({
      code: "already_exists",
    });
    expect((await make(CREATE_OVERWRITE_IF_EXISTS, { B: "4" })).secretId).toBe(secretId);
    expect(secrets.environment([secretId])).toEqual({ B: "4" });
  });

  it("last a day without a name and an app", async () => {
    const { secretId } = await make(EPHEMERAL, { A: "1" });
    expect(secrets.environment([secretId])).toEqual({ A: "1" });
    now += 86_400_001;
    const other = await make(EPHEMERAL, { A: "2" });
    expect(secrets.missing([other.secretId, secretId])).toBe(secretId);
  });

  it("are made once by a request that is repeated", async () => {
    const of = context("ac-1", { "x-idempotency-key": "k" });
    expect((await make(CREATE_FAIL_IF_EXISTS, { A: "1" }, {}, of)).secretId).toBe(
      (await make(CREATE_FAIL_IF_EXISTS, { A: "1" }, {}, of)).secretId,
    );
  });

  it("lose nothing of what is asked at the same time", async () => {
    const made = await Promise.all([make(CREATE_IF_MISSING, { A: "1" }), make(CREATE_IF_MISSING, { A: "2" })]);
    expect(made[0]?.secretId).toBe(made[1]?.secretId);
    const record = secrets.require(made[0]?.secretId ?? "", "ac-1");
    await Promise.all([secrets.update(record, new Map([["B", "3"]])), secrets.update(record, new Map([["C", "4"]]))]);
    expect(secrets.environment([record.id])).toEqual({ A: "1", B: "3", C: "4" });
  });

  it("can be replaced when their key is lost", async () => {
    const { secretId } = await make(CREATE_FAIL_IF_EXISTS, { A: "1" });
    secrets = open(randomBytes(32));
    await make(CREATE_OVERWRITE_IF_EXISTS, { A: "2" });
    expect(secrets.environment([secretId])).toEqual({ A: "2" });
  });

  it("say which required variable is absent", async () => {
    await make(CREATE_FAIL_IF_EXISTS, { A: "1" });
    await make(UNSPECIFIED, {}, { requiredKeys: ["A"] });
    await expect(make(UNSPECIFIED, {}, { requiredKeys: ["A", "URL"] })).rejects.toThrow(
      'Secret is missing key(s): URL. The secret "db" has A.',
    );
  });

  it("do not exist for other workspaces", async () => {
    const { secretId } = await make(CREATE_FAIL_IF_EXISTS, { A: "1" });
    expect(() => secrets.require(secretId, "ac-2")).toThrow("no secret");
    await expect(make(UNSPECIFIED, {}, {}, context("ac-2"))).rejects.toMatchObject({ code: "not_found" });
    await make(CREATE_FAIL_IF_EXISTS, { A: "theirs" }, {}, context("ac-2"));
    expect(secrets.environment([secretId])).toEqual({ A: "1" });
  });

  it("are sealed: the file has no value, and another key or id opens none", async () => {
    const { secretId } = await make(CREATE_FAIL_IF_EXISTS, { PASSWORD: "correct horse" });
    const [row] = database.prepare("SELECT * FROM secrets").all<{ sealed: Uint8Array }>();
    expect(JSON.stringify({ ...row, sealed: Buffer.from(row?.sealed ?? []).toString("latin1") })).not.toContain("horse");
    secrets = open(randomBytes(32));
    expect(() => secrets.environment([secretId])).toThrow(expect.objectContaining({ code: "data_loss" }));
    const seal = new Seal(KEY);
    expect(() => seal.open("st-other", seal.close(secretId, "x"))).toThrow(expect.objectContaining({ code: "data_loss" }));
  });

  it("change variable by variable, and are listed newest first, page by page, without values", async () => {
    const { secretId } = await make(CREATE_FAIL_IF_EXISTS, { A: "1", B: "2" });
    const updates = [{ key: "A" }, { key: "C", value: "3" }];
    await rpc().secretUpdate?.(create(SecretUpdateRequestSchema, { secretId, updates }), context());
    expect(secrets.environment([secretId])).toEqual({ B: "2", C: "3" });
    await make(CREATE_FAIL_IF_EXISTS, { X: "secret value" }, { deploymentName: "later" });
    const list = async (createdBefore: number) =>
      (await rpc().secretList?.(create(SecretListRequestSchema, { pagination: { maxObjects: 1, createdBefore } }), context()))?.items ?? [];
    const [first] = await list(0);
    const [second] = await list(first?.createdAt ?? 0);
    expect([first?.label, second?.label]).toEqual(["later", "db"]);
    expect(await list(second?.createdAt ?? 0)).toEqual([]);
    expect(JSON.stringify([first, second])).not.toContain("secret value");
  });

  it("go with their app, or when they are deleted", async () => {
    const own = await make(ANONYMOUS_OWNED_BY_APP, { A: "1" }, { deploymentName: "", appId: "ap-1" });
    const named = await make(CREATE_FAIL_IF_EXISTS, { A: "1" });
    expect(secrets.missing([own.secretId, named.secretId])).toBeUndefined();
    secrets.forgetApp("ap-1");
    await expect.poll(() => secrets.missing([named.secretId, own.secretId])).toBe(own.secretId);
    await secrets.delete(secrets.require(named.secretId, "ac-1"));
    expect(secrets.missing([named.secretId])).toBe(named.secretId);
  });

  it.each([
    [{ "1A": "x" }, "not a name of a variable"],
    [{ "A B": "x" }, "not a name of a variable"],
    [{ A: "x\0y" }, "zero byte"],
    [{ A: "x".repeat(65_537) }, "The value of A has 65537 bytes"],
    [Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`A${i}`, ""])), "257 variables"],
  ])("refuse what no environment can hold, without showing a value", async (envDict, text) => {
    await expect(make(CREATE_FAIL_IF_EXISTS, envDict)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(text),
    });
    await expect(make(CREATE_FAIL_IF_EXISTS, { A: "1" }, { deploymentName: "../x" })).rejects.toThrow("not a name of a secret");
  });
});
