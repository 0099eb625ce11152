import { AppState, create, FunctionOptionsSchema, LydianError, ObjectCreationType } from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AppRecord } from "../apps/apps.ts";
import { type Database, openDatabase } from "../database/database.ts";
import type { Publisher, Publishing } from "./deployments.ts";
import { checkAppName, checkDeploymentTag, checkTags } from "./rules.ts";
import { fillDatabase, newApp, openNouns } from "./test-context.ts";

let database: Database;
let nouns: ReturnType<typeof openNouns>;
const context = (changes: object = {}, headers: object = {}) =>
  ({ caller: { kind: "client", workspaceId: "ac-1", tokenId: "ak-1", ...changes }, headers, peer: { transport: "unix" } }) as never;
const container = context({ kind: "container", taskId: "ta-1", environmentId: "en-2" });

beforeEach(async () => {
  database = openDatabase({ path: ":memory:" });
  await fillDatabase(database);
  nouns = openNouns(database);
});
afterEach(() => database.close());

const deploy = (app: AppRecord, changes: Partial<Publishing> = {}, publisher: Partial<Publisher> = {}) =>
  nouns.deployments.publish(
    nouns.apps.require(app.id, "ac-1"),
    {
      event: "deploy",
      name: "shop",
      deploymentTag: "",
      tags: {},
      commitInfo: undefined,
      functionIds: {},
      classIds: {},
      definitionIds: {},
      ...changes,
    },
    { by: "ak-1", clientVersion: "1.6.4", idempotencyKey: "", ...publisher },
  );

const lookup = (objectTag: string, changes: object = {}, by = context()) =>
  nouns.rpc.functionGet?.({ appName: "shop", objectTag, environmentName: "", appVersion: 0, ...changes } as never, by);

/** An app with the function "hello", deployed once. */
async function deployed() {
  const app = await nouns.apps.create(newApp());
  const fn = await nouns.define(app.id, { timeoutSecs: 1 });
  await deploy(app, { functionIds: { hello: fn.id }, definitionIds: { [fn.id]: fn.definitionId } });
  return { app, fn };
}

describe("a deployment", () => {
  it("gives the app a name, a version and callable functions, which the next server knows too", async () => {
    const { app, fn } = await deployed();
    expect(lookup("hello")).toMatchObject({ functionId: fn.id, handleMetadata: { definitionId: fn.definitionId, appId: app.id } });
    expect(nouns.apps.get(app.id)).toMatchObject({ state: "deployed", name: "shop", version: 1, deployedBy: "ak-1" });
    nouns = openNouns(database);
    expect(lookup("hello")).toMatchObject({ functionId: fn.id });
    expect(nouns.rpc.appGetByDeploymentName?.({ name: "shop", environmentName: "" } as never, context())).toMatchObject({
      appId: app.id,
      previousAppId: "",
      environmentName: "main",
      lifecycle: { appState: AppState.DEPLOYED, version: 1 },
    });
  });

  it("makes new definitions current, and nothing before it does", async () => {
    const { app, fn } = await deployed();
    const anew = await nouns.define(app.id, { timeoutSecs: 2 });
    expect(anew.id).toBe(fn.id);
    expect(nouns.functions.get(fn.id)).toMatchObject({ definitionId: fn.definitionId, definition: { timeoutSecs: 1 } });
    const variant = await nouns.functions.bind(fn, new Uint8Array(), create(FunctionOptionsSchema));
    await deploy(app, { functionIds: { hello: fn.id }, definitionIds: { [fn.id]: anew.definitionId } });
    for (const id of [fn.id, variant.id])
      expect(nouns.functions.get(id)).toMatchObject({ definitionId: anew.definitionId, definition: { timeoutSecs: 2 } });
    expect(nouns.apps.get(app.id)?.version).toBe(2);
  });

  it("retires the functions that it does not list, and forgets the settings of its autoscaler", async () => {
    const { app, fn } = await deployed();
    const other = await nouns.define(app.id, { functionName: "other" });
    await nouns.rpc.functionUpdateSchedulingParams?.({ functionId: fn.id, settings: { minContainers: 2 } } as never, context());
    expect(nouns.functions.get(fn.id)?.definition.autoscalerSettings?.minContainers).toBe(2);
    await deploy(app, { functionIds: { hello: fn.id, other: other.id } });
    expect(nouns.functions.get(fn.id)?.definition.autoscalerSettings?.minContainers).toBeUndefined();
    await deploy(app, { functionIds: { other: other.id } });
    expect(nouns.told.at(-1)).toEqual({ published: [other.id], retired: [fn.id] });
    expect(() => lookup("hello")).toThrow(/The app "shop" has no function "hello"/);
    expect(nouns.rpc.functionGetById?.({ functionId: fn.id } as never, context())).toMatchObject({ function: { timeoutSecs: 1 } });
  });

  it("is made once of a request that is repeated", async () => {
    const { app, fn } = await deployed();
    const again = { functionIds: { hello: fn.id } };
    const first = await deploy(app, again, { idempotencyKey: "k" });
    expect(await deploy(app, again, { idempotencyKey: "k" })).toBe(first);
    expect(nouns.deployments.history(app.id).map(({ version }) => version)).toEqual([2, 1]);
  });

  it("takes the name from the app that has it, which ends with that reason", async () => {
    const { app } = await deployed();
    const other = await nouns.apps.create(newApp());
    const fn = await nouns.define(other.id);
    await deploy(other, { functionIds: { hello: fn.id } });
    expect(lookup("hello")).toMatchObject({ functionId: fn.id });
    await expect.poll(() => nouns.apps.get(app.id)?.state).toBe("stopped");
    expect(nouns.apps.get(app.id)?.stopReason).toBe(`The app ${other.id} was deployed under its name, shop.`);
  });

  it("stays when its client leaves, and goes when it is stopped", async () => {
    const { app } = await deployed();
    await nouns.rpc.appClientDisconnect?.({ appId: app.id, reason: 3, exception: "" } as never, context());
    expect(nouns.apps.isLive(app.id)).toBe(true);
    await nouns.rpc.appStop?.({ appId: app.id } as never, context());
    expect(() => lookup("hello")).toThrow(expect.objectContaining({ code: "not_found" }));
    expect(nouns.rpc.appGetByDeploymentName?.({ name: "shop", environmentName: "main" } as never, context())).toMatchObject({
      appId: "",
      previousAppId: app.id,
      lifecycle: { appState: AppState.STOPPED },
    });
    const next = await nouns.apps.create(newApp());
    await deploy(next);
    expect(nouns.rpc.appGetByDeploymentName?.({ name: "shop", environmentName: "" } as never, context())).toMatchObject({ appId: next.id });
  });

  it.each<[string, (id: string, app: AppRecord) => Partial<Publishing>, RegExp]>([
    ["a foreign function", () => ({ functionIds: { hello: "fu-2" } }), /which is no function of the app/],
    ["another name", (id) => ({ functionIds: { other: id } }), /was created as "hello"; it cannot be published as "other"/],
    ["an unknown definition", (id) => ({ functionIds: { hello: id }, definitionIds: { [id]: "de-2" } }), /no definition "de-2"/],
    ["an unknown class", () => ({ classIds: { C: "cs-2" } }), /has no class "cs-2"/],
    ["a bad name of the app", () => ({ name: "a b" }), /"a b" is not a name of an app/],
    ["a bad tag", () => ({ deploymentTag: "a b" }), /"a b" is not a tag of a deployment/],
    ["the state of an ephemeral app", () => ({ event: "publish-ephemeral" }), /is deployed: it cannot be changed like that\./],
  ])("with %s is refused, and changes nothing", async (_what, changes, message) => {
    const { app, fn } = await deployed();
    await expect(deploy(app, changes(fn.id, app))).rejects.toThrow(message);
    expect(lookup("hello")).toMatchObject({ functionId: fn.id });
    expect(nouns.deployments.history(app.id)).toHaveLength(1);
  });
});

describe("an app that is no deployment", () => {
  it("is published as what it is, and only then gets new definitions", async () => {
    const app = await nouns.apps.create(newApp({ state: "ephemeral" }));
    const fn = await nouns.define(app.id, { timeoutSecs: 1 });
    expect(nouns.functions.get(fn.id)?.definition.timeoutSecs).toBe(1);
    const again = await nouns.define(app.id, { timeoutSecs: 2 });
    expect(nouns.functions.get(fn.id)?.definition.timeoutSecs).toBe(2);
    const publish = () => deploy(app, { event: undefined, name: "", functionIds: { hello: fn.id } });
    await publish();
    await nouns.define(app.id, { timeoutSecs: 3 });
    expect(nouns.functions.get(fn.id)?.definitionId).toBe(again.definitionId);
    await publish();
    expect(nouns.functions.get(fn.id)?.definition.timeoutSecs).toBe(3);
    expect(nouns.apps.get(app.id)).toMatchObject({ state: "ephemeral", version: 0 });
    expect(database.prepare("SELECT id FROM definitions").all()).toHaveLength(1);
  });
});

describe("versions", () => {
  it("come back as new ones, with the definitions that they had", async () => {
    const { app, fn } = await deployed();
    const anew = await nouns.define(app.id, { timeoutSecs: 2 });
    await deploy(app, { functionIds: { hello: fn.id }, definitionIds: { [fn.id]: anew.definitionId }, deploymentTag: "two" });
    await nouns.rpc.appRollback?.({ appId: app.id, version: -1 } as never, context());
    expect(nouns.functions.get(fn.id)).toMatchObject({ definitionId: fn.definitionId, definition: { timeoutSecs: 1 } });
    await nouns.rpc.appRollback?.({ appId: app.id, version: 2 } as never, context({}, { "x-modal-client-version": "1.6.3" }));
    expect(nouns.functions.get(fn.id)?.definitionId).toBe(anew.definitionId);
    const history = await nouns.rpc.appDeploymentHistory?.({ appId: app.id } as never, context());
    expect(history).toMatchObject({
      productionAppVersion: 4,
      appDeploymentHistories: [
        { version: 4, rollbackVersion: 2, tag: "two", clientVersion: "1.6.3", rollbackAllowed: false },
        { version: 3, rollbackVersion: 1, tag: "", rollbackAllowed: true },
        { version: 2, rollbackVersion: 0, tag: "two", clientVersion: "1.6.4", deployedBy: "ak-1" },
        { version: 1 },
      ],
    });
    const rollback = (version: number) => nouns.rpc.appRollback?.({ appId: app.id, version } as never, context());
    await expect(async () => rollback(9)).rejects.toThrow(/Version 9 .* was never deployed; its versions are 1 to 4/);
    await expect(async () => rollback(4)).rejects.toThrow(/is deployed already/);
  });

  it("roll over with definitions that count as new", async () => {
    const { app, fn } = await deployed();
    await nouns.rpc.appRollover?.({ appId: app.id } as never, context());
    expect(nouns.functions.get(fn.id)?.definitionId).not.toBe(fn.definitionId);
    expect(nouns.functions.get(fn.id)?.definition.timeoutSecs).toBe(1);
    expect(nouns.apps.get(app.id)?.version).toBe(2);
  });

  it("exist of deployed apps only", async () => {
    const app = await nouns.apps.create(newApp({ state: "ephemeral" }));
    await expect(async () => nouns.rpc.appRollback?.({ appId: app.id, version: 1 } as never, context())).rejects.toThrow(/is ephemeral/);
  });
});

describe("classes", () => {
  const withClass = async () => {
    const app = await nouns.apps.create(newApp());
    const serviceId = await nouns.defineClass(app.id, "Model");
    const created = await nouns.rpc.classCreate?.({ appId: app.id, existingClassId: "", methods: [] } as never, context());
    const classId = created?.classId ?? "";
    await deploy(app, { functionIds: { "Model.*": serviceId }, classIds: { Model: classId } });
    return { app, serviceId, classId };
  };

  it("are found by name with the function that serves them, and have their methods from it", async () => {
    const { serviceId, classId } = await withClass();
    const request = { appName: "shop", objectTag: "Model", environmentName: "", appVersion: 0 };
    expect(nouns.rpc.classGet?.(request as never, context())).toMatchObject({ classId, handleMetadata: { classFunctionId: serviceId } });
    expect(lookup("Model.*")).toMatchObject({
      functionId: serviceId,
      handleMetadata: { methodHandleMetadata: { run: { functionName: "Model.run", useMethodName: "run", isMethod: true } } },
      function: { isClass: true },
    });
    expect(() => nouns.rpc.classGet?.({ ...request, objectTag: "Other" } as never, context())).toThrow(
      /The app "shop" has no class "Other"/,
    );
    expect(() => nouns.rpc.classGet?.({ ...request, appName: "none" } as never, context())).toThrow(
      /no app "none" with a class "Model" in the environment "main"/,
    );
  });

  it("are said to be classes when they are looked up as functions", async () => {
    await withClass();
    const error = await Promise.resolve()
      .then(() => lookup("Model"))
      .catch((thrown: unknown) => thrown);
    expect(LydianError.is(error) && error.wireDetail).toEqual({
      type: "modal.client.FunctionLookupError",
      value: new Uint8Array([8, 1]),
    });
    expect(error).toMatchObject({ code: "not_found", message: expect.stringMatching(/"Model" is a class of the app "shop"/) });
  });

  it("keep their id and need their function", async () => {
    const { app, classId } = await withClass();
    const again = (existingClassId: string, key = "") =>
      nouns.rpc.classCreate?.(
        { appId: app.id, existingClassId, methods: [] } as never,
        context({}, { "x-idempotency-key": key }),
      ) as Promise<{ classId: string }>;
    expect((await again(classId)).classId).toBe(classId);
    expect((await again("", "k")).classId).toBe((await again("", "k")).classId);
    await expect(again("cs-2")).rejects.toMatchObject({ code: "not_found" });
    await expect(deploy(app, { classIds: { Model: classId } })).rejects.toThrow(/without its function "Model.\*"/);
  });

  it("stand in the layout, and each thing of it has an object", async () => {
    const { app, serviceId, classId } = await withClass();
    const { appLayout } = (await nouns.rpc.appGetLayout?.({ appId: app.id } as never, context())) ?? {};
    expect(appLayout).toMatchObject({ functionIds: { "Model.*": serviceId }, classIds: { Model: classId } });
    expect(appLayout?.objects).toMatchObject([
      { objectId: serviceId, handleMetadataOneof: { case: "functionHandleMetadata" } },
      { objectId: classId, handleMetadataOneof: { case: "classHandleMetadata" } },
    ]);
  });
});

describe("apps by name", () => {
  const getOrCreate = (appName: string, objectCreationType = ObjectCreationType.CREATE_IF_MISSING, by = context()) =>
    nouns.rpc.appGetOrCreate?.({ appName, environmentName: "", objectCreationType } as never, by) as Promise<{ appId: string }>;

  it("are made when they are missing, once, and can be deployed to", async () => {
    const [one, two] = await Promise.all([getOrCreate("shop"), getOrCreate("shop")]);
    expect(two.appId).toBe(one.appId);
    expect(await getOrCreate(one.appId, ObjectCreationType.UNSPECIFIED)).toMatchObject({ appId: one.appId });
    expect(await getOrCreate("shop", ObjectCreationType.UNSPECIFIED)).toMatchObject({ handleMetadata: { lifecycle: { version: 0 } } });
    await deploy(nouns.apps.require(one.appId, "ac-1"));
    expect(nouns.apps.get(one.appId)?.version).toBe(1);
    await expect(getOrCreate("none", ObjectCreationType.UNSPECIFIED)).rejects.toThrow(/There is no app "none" in the environment "main"/);
    await expect(getOrCreate("a b")).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("are not seen by other workspaces, nor by containers of other environments", async () => {
    const { fn } = await deployed();
    expect(() => lookup("hello", {}, context({ workspaceId: "ac-2" }))).toThrow(expect.objectContaining({ code: "not_found" }));
    expect(() => lookup("hello", {}, container)).toThrow(/in the environment "dev"/);
    expect(() => lookup("hello", { environmentName: "main" }, container)).toThrow(/sees no apps of "main"/);
    expect(() => nouns.rpc.functionGetById?.({ functionId: fn.id } as never, container)).toThrow(/There is no function/);
  });

  it("have the version that is deployed", async () => {
    const { fn } = await deployed();
    expect(lookup("hello", { appVersion: 1 })).toMatchObject({ functionId: fn.id });
    expect(() => lookup("hello", { appVersion: 2 })).toThrow(expect.objectContaining({ code: "not_found" }));
    await deploy(nouns.apps.require(fn.appId, "ac-1"), { functionIds: { hello: fn.id } });
    expect(() => lookup("hello", { appVersion: 1 })).toThrow(expect.objectContaining({ code: "unimplemented" }));
  });

  it("tell what they have", async () => {
    const { app, fn } = await deployed();
    expect(nouns.rpc.appGetInfo?.({ appId: app.id } as never, context())).toMatchObject({
      info: { appId: app.id, environmentName: "main", functions: { hello: fn.id } },
      functionInfoSummaries: { [fn.id]: { webFunction: false } },
    });
    const list = await nouns.rpc.appList?.({ environmentName: "" } as never, context());
    expect(list?.apps).toMatchObject([{ name: "shop", state: AppState.DEPLOYED, metadata: { lifecycle: { version: 1 } } }]);
  });

  it("have tags", async () => {
    const { app } = await deployed();
    await nouns.rpc.appSetTags?.({ appId: app.id, tags: { team: "a" } } as never, context());
    nouns = openNouns(database);
    expect(nouns.rpc.appGetTags?.({ appId: app.id } as never, context())).toEqual({ tags: { team: "a" } });
    await expect(async () => nouns.rpc.appSetTags?.({ appId: app.id, tags: { "a b": "" } } as never, context())).rejects.toThrow(/"a b"/);
  });
});

it("names follow the rules of the official clients", () => {
  checkAppName("my-app_1.0");
  checkDeploymentTag("");
  checkTags({ a: "b" });
  for (const name of ["", "a/b", "x".repeat(65), `ap-${"a".repeat(22)}`]) expect(() => checkAppName(name)).toThrow(/not a name of an app/);
  expect(() => checkTags(Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, "v"])))).toThrow(/has 65 tags; it may have 64/);
});
