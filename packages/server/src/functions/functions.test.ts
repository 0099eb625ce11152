import {
  AutoscalerSettingsSchema,
  ClassParameterSetSchema,
  create,
  DataFormat,
  type Function as FunctionDefinition,
  FunctionOptionsSchema,
  FunctionSchema$,
  Function_FunctionType as FunctionType,
  LydianError,
  type MessageInitShape,
  toBinary,
} from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AppRecord } from "../apps/store.ts";
import { type Database, openDatabase } from "../database/database.ts";
import { contentOf } from "./definition-content.ts";
import { Functions } from "./functions.ts";
import { createFunctionsRpc } from "./rpc.ts";
import { FunctionStore } from "./store.ts";
import { validateDefinition } from "./validate.ts";
import { VariantStore } from "./variants.ts";

type Changes = MessageInitShape<typeof FunctionSchema$>;

const definition = (changes: Changes = {}): FunctionDefinition =>
  create(FunctionSchema$, {
    functionName: "hello",
    moduleName: "/app/main.mjs",
    imageId: "im-1",
    mountIds: ["mo-1"],
    runtime: "lydian-node",
    functionType: FunctionType.FUNCTION,
    ...changes,
  });

const SIZE = { name: "size", valueOneof: { case: "intValue", value: 3n } } as const;

describe("a definition", () => {
  it("passes with what is served, at its bounds", () => {
    validateDefinition(definition());
    validateDefinition(
      definition({
        functionType: FunctionType.GENERATOR,
        timeoutSecs: 86_400,
        resources: { milliCpu: 125, milliCpuMax: 2_000, memoryMb: 128, memoryMbMax: 1_024, ephemeralDiskMb: 1_024 },
        retryPolicy: { retries: 3, initialDelayMs: 0, maxDelayMs: 60_000, backoffCoefficient: 2 },
        maxConcurrentInputs: 100,
        targetConcurrentInputs: 80,
        autoscalerSettings: { minContainers: 1, maxContainers: 10, bufferContainers: 2, scaledownWindow: 0 },
        blockNetwork: true,
        singleUseContainers: true,
        maxInputs: 1,
        schedule: { scheduleOneof: { case: "period", value: { days: 1 } } },
        supportedInputFormats: [DataFormat.PICKLE, DataFormat.CBOR],
      }),
    );
  });

  it.each<[string, Changes, RegExp]>([
    ["GPUs", { resources: { gpuConfig: { count: 1, gpuType: "H100" } } }, /asks for GPUs/],
    ["RDMA", { resources: { rdma: true } }, /RDMA/],
    ["volumes", { volumeMounts: [{ volumeId: "vo-1", mountPath: "/data" }] }, /volumes/],
    ["buckets", { cloudBucketMounts: [{ bucketName: "b", mountPath: "/b" }] }, /bucket mounts/],
    ["web endpoints", { webhookConfig: {} }, /web endpoints/],
    ["proxies", { proxyId: "pr-1" }, /proxies/],
    ["snapshots", { checkpointingEnabled: true }, /memory snapshots/],
    ["methods with functions of their own", { isMethod: true }, /methods/],
    ["serialized code", { functionSerialized: new Uint8Array([1]) }, /serialized/],
    ["regions", { schedulerPlacement: { regions: ["eu"] } }, /regions/],
    ["restricted access", { untrusted: true }, /restricted access/],
    ["experiments", { experimentalOptions: { fast: "1" } }, /experimental options/],
    ["scale-up windows", { autoscalerSettings: { scaleupWindow: 10 } }, /scale-up window/],
  ])("that asks for %s is refused by that name", (_what, changes, text) => {
    expect(() => validateDefinition(definition(changes))).toThrow(
      expect.objectContaining({ code: "unimplemented", message: expect.stringMatching(text) }),
    );
  });

  it("of our own runtime may be a class, and may batch", () => {
    validateDefinition(definition({ functionName: "Model.*", isClass: true, methodDefinitions: { run: {} }, classParameterInfo: {} }));
    validateDefinition(definition({ batchMaxSize: 5, batchLingerMs: 100n }));
  });

  it("of the official client may have classes, batches and code of its own, and be defined inside another", () => {
    const official: Changes = {
      runtime: "",
      moduleName: "main",
      functionName: "größer.<locals>.Modell.*",
      isClass: true,
      methodDefinitions: { run: {} },
      batchMaxSize: 5,
      batchLingerMs: 100n,
      checkpointingEnabled: true,
      functionSerialized: new Uint8Array([1]),
      mountClientDependencies: true,
      supportedInputFormats: [DataFormat.PICKLE],
    };
    expect(() => validateDefinition(definition(official))).not.toThrow();
  });

  it.each<[string, Changes, RegExp]>([
    ["no name", { functionName: "" }, /"" is not a name of a function/],
    ["a name that leads elsewhere", { functionName: "../x" }, /"..\/x" is not a name/],
    ["a name with a space", { functionName: "a b" }, /"a b" is not a name/],
    ["too long a name", { functionName: "x".repeat(129) }, /1 to 128 letters/],
    ["a name with a slash", { functionName: "a/b" }, /"a\/b" is not a name/],
    ["no image", { imageId: "" }, /names no image/],
    ["a relative module", { moduleName: "main.mjs" }, /the module "main.mjs"; it must be the absolute path/],
    ["too long a timeout", { timeoutSecs: 86_401 }, /timeout \(s\) 86401; it must be from 1 to 86400/],
    ["too little memory", { resources: { memoryMb: 15 } }, /memory request \(MiB\) 15; it must be from 16/],
    ["a memory limit under the request", { resources: { memoryMb: 512, memoryMbMax: 256 } }, /at least 512 and at most 256 MiB of memory/],
    ["a cpu limit under the request", { resources: { milliCpu: 2_000, milliCpuMax: 1_000 } }, /at least 2000 and at most 1000/],
    ["too many cores", { resources: { milliCpu: 2_000_000 } }, /cpu request/],
    ["too many retries", { retryPolicy: { retries: 101 } }, /retries 101; it must be from 0 to 100/],
    ["a shrinking back-off", { retryPolicy: { retries: 1, backoffCoefficient: 0.5 } }, /back-off coefficient 0.5; it must be from 1 to 10/],
    ["a back-off of NaN", { retryPolicy: { retries: 1, backoffCoefficient: Number.POSITIVE_INFINITY } }, /back-off coefficient/],
    [
      "more least than most containers",
      { autoscalerSettings: { minContainers: 5, maxContainers: 2 } },
      /at least 5 and at most 2 containers/,
    ],
    ["too many concurrent inputs", { maxConcurrentInputs: 10_001 }, /concurrent inputs 10001/],
    [
      "a schedule of nothing",
      { schedule: { scheduleOneof: { case: "period", value: {} } } },
      /has a period of 0 seconds; it must be from 1/,
    ],
    ["only pickle", { supportedInputFormats: [DataFormat.PICKLE] }, /TypeScript functions speak CBOR/],
    ["a hundred mounts", { mountIds: Array.from({ length: 100 }, (_, n) => `mo-${n}`) }, /has 100 mounts; it may have 64/],
  ])("with %s is refused with the value and the rule", (_what, changes, text) => {
    expect(() => validateDefinition(definition(changes))).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringMatching(text) }),
    );
  });
});

describe("functions", () => {
  const app = { id: "ap-1", workspaceId: "ac-1", environmentId: "en-1" } as AppRecord;
  let database: Database;
  let functions: Functions;
  const open = () =>
    new Functions({
      store: new FunctionStore(database),
      variants: new VariantStore(database),
      app: (appId) => (appId === app.id ? app : undefined),
      prepare: async () => undefined,
      requireParts: ({ imageId }) => {
        if (imageId !== "im-1") throw new LydianError("not_found", `There is no image "${imageId}".`);
      },
    });
  beforeEach(async () => {
    database = openDatabase({ path: ":memory:" });
    await database.commit(() => {
      database.prepare("INSERT INTO workspaces (id, name, created_at) VALUES ('ac-1', 'one', 0)").run();
      database.prepare("INSERT INTO environments (id, workspace_id, name, created_at) VALUES ('en-1', 'ac-1', 'main', 0)").run();
      for (const id of ["ap-1", "ap-2"])
        database
          .prepare(
            "INSERT INTO apps (id, workspace_id, environment_id, name, description, state, created_at, created_by) VALUES (?, 'ac-1', 'en-1', '', '', 'ephemeral', 0, '')",
          )
          .run(id);
    });
    functions = open();
  });
  afterEach(() => database.close());

  it("keep the id that was reserved for their name, however often and by whomever it is asked for", async () => {
    const ids = await Promise.all([functions.reserve(app, "hello"), functions.reserve(app, "hello"), functions.reserve(app, "other")]);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(functions.get(ids[0] ?? "")).toBeUndefined();
    const record = await functions.define(app, definition(), ids[0] ?? "");
    expect(record.id).toBe(ids[0]);
    await expect(functions.define(app, definition(), ids[2] ?? "")).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("are found again after a restart, as they were defined last", async () => {
    const { id } = await functions.define(app, definition({ timeoutSecs: 5 }), "");
    await functions.define(app, definition({ timeoutSecs: 6 }), id);
    expect(functions.get(id)?.definition.timeoutSecs).toBe(6);
    expect(open().get(id)).toMatchObject({ id, appId: "ap-1", workspaceId: "ac-1", name: "hello", definition: { timeoutSecs: 6 } });
  });

  it("need an image and mounts of their workspace, and are seen by it only", async () => {
    await expect(functions.define(app, definition({ imageId: "im-2" }), "")).rejects.toMatchObject({ code: "not_found" });
    const { id } = await functions.define(app, definition(), "");
    expect(functions.require(id, "ac-1").id).toBe(id);
    expect(() => functions.require(id, "ac-2")).toThrow(expect.objectContaining({ code: "not_found" }));
  });

  it("keep the id of a definition that is defined again, whatever the order of its maps", async () => {
    const first = await functions.define(app, definition({ timeoutSecs: 5 }), "");
    const second = await functions.define(app, definition({ timeoutSecs: 6 }), "");
    expect(second.definitionId).not.toBe(first.definitionId);
    expect((await functions.define(app, definition({ timeoutSecs: 5 }), "")).definitionId).toBe(first.definitionId);
    const python = (mountIds: string[], experimentalOptions: Record<string, string>) =>
      contentOf(definition({ runtime: "", mountIds, experimentalOptions }));
    expect(python(["mo-1", "mo-2"], { a: "1", b: "2" })).toEqual(python(["mo-2", "mo-1"], { b: "2", a: "1" }));
    expect(contentOf(definition({ mountIds: ["mo-1", "mo-2"] }))).not.toEqual(contentOf(definition({ mountIds: ["mo-2", "mo-1"] })));
  });

  it("give an equal request an equal variant, which follows its base", async () => {
    const base = await functions.define(app, definition(), "");
    const params = toBinary(ClassParameterSetSchema, create(ClassParameterSetSchema, { parameters: [SIZE] }));
    const options = create(FunctionOptionsSchema, { timeoutSecs: 7 });
    const [one, two] = await Promise.all([functions.bind(base, params, options), functions.bind(base, params, options)]);
    expect(two.id).toBe(one.id);
    expect((await open().bind(base, params, options)).id).toBe(one.id);
    expect(one.id).not.toBe(base.id);
    expect(one).toMatchObject({ name: "hello", params, definition: { timeoutSecs: 7, maxConcurrentInputs: 0 } });
    expect((await functions.bind(base, params, create(FunctionOptionsSchema))).id).not.toBe(one.id);
    const anew = await functions.define(app, definition({ maxConcurrentInputs: 9 }), "");
    expect(functions.get(one.id)).toMatchObject({
      definitionId: anew.definitionId,
      params,
      definition: { timeoutSecs: 7, maxConcurrentInputs: 9 },
    });
    expect(open().get(one.id)).toMatchObject({ id: one.id, definition: { timeoutSecs: 7, maxConcurrentInputs: 9 } });
    await expect(functions.bind(base, new Uint8Array([1, 2]), options)).rejects.toMatchObject({
      message: expect.stringMatching(/no ClassParameterSet/),
    });
    await expect(functions.bind(one, params, options)).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("refuse options as they refuse definitions", async () => {
    const base = await functions.define(app, definition(), "");
    const bind = (changes: MessageInitShape<typeof FunctionOptionsSchema>) =>
      functions.bind(base, new Uint8Array(), create(FunctionOptionsSchema, changes));
    await expect(bind({ timeoutSecs: 100_000 })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/100000/),
    });
    await expect(bind({ resources: { gpuConfig: { gpuType: "H100", count: 1 } } })).rejects.toMatchObject({ code: "unimplemented" });
    await expect(bind({ routingRegion: "eu" })).rejects.toMatchObject({
      message: expect.stringMatching(/"hello" ask for a routing region/),
    });
    await expect(bind({ pinnedAppVersion: 3 })).rejects.toMatchObject({ code: "unimplemented" });
  });

  it("batch as their base does", async () => {
    const bind = async (changes: Changes, batchMaxSize: number) =>
      functions.bind(
        await functions.define(app, definition(changes), ""),
        new Uint8Array(),
        create(FunctionOptionsSchema, { batchMaxSize }),
      );
    const message = (text: string) => ({ code: "invalid_argument", message: expect.stringContaining(text) });
    await expect(bind({}, 5)).rejects.toMatchObject(message('The handler of "hello" takes one input at a time'));
    await expect(bind({ batchMaxSize: 2 }, 0)).rejects.toMatchObject(message('The handler of "hello" takes lists'));
    expect((await bind({ batchMaxSize: 2 }, 5)).definition.batchMaxSize).toBe(5);
    expect((await bind({ runtime: "" }, 5)).definition.batchMaxSize).toBe(5);
  });

  it("take other settings of their autoscaler until they are published, and are kept warm while they are", async () => {
    const base = await functions.define(
      app,
      definition({ concurrencyLimit: 4, autoscalerSettings: { minContainers: 1, maxContainers: 4 } }),
      "",
    );
    const publish = (ids: string[]) =>
      database.commit(() =>
        new FunctionStore(database).publish(
          app.id,
          ids.map((id) => ({ id, definitionId: "" })),
        ),
      );
    await publish([base.id]);
    functions.published([base.id]);
    const changed = await functions.setSettings(base, create(AutoscalerSettingsSchema, { maxContainers: 0, scaledownWindow: 9 }));
    expect(changed).toMatchObject({
      definitionId: base.definitionId,
      definition: { concurrencyLimit: 0, autoscalerSettings: { minContainers: 1, maxContainers: 0, scaledownWindow: 9 } },
    });
    await functions.setSettings(base, create(AutoscalerSettingsSchema, { bufferContainers: 2 }));
    expect(open().get(base.id)?.definition.autoscalerSettings).toMatchObject({ maxContainers: 0, scaledownWindow: 9, bufferContainers: 2 });
    const tooMany = create(AutoscalerSettingsSchema, { minContainers: 1_000_000 });
    await expect(functions.setSettings(base, tooMany)).rejects.toMatchObject({ code: "invalid_argument" });
    const variant = await functions.bind(base, new Uint8Array(), create(FunctionOptionsSchema));
    await functions.setSettings(variant, create(AutoscalerSettingsSchema, { minContainers: 3 }));
    expect(open().get(variant.id)?.definition.autoscalerSettings).toMatchObject({ minContainers: 3, maxContainers: 0 });
    expect(functions.get(base.id)?.definition.autoscalerSettings?.minContainers).toBe(1);
    await publish([base.id]);
    expect(open().get(base.id)?.definition).toMatchObject({
      concurrencyLimit: 4,
      autoscalerSettings: { minContainers: 1, maxContainers: 4 },
    });
    expect(open().get(variant.id)?.definition.autoscalerSettings?.minContainers).toBe(1);
    await publish([]);
    for (const id of [base.id, variant.id]) expect(open().get(id)?.definition.autoscalerSettings?.minContainers).toBe(0);
  });

  it("tell the official clients what these must know", async () => {
    const apps = { requireLive: () => app };
    const rpc = createFunctionsRpc({
      functions,
      apps: apps as never,
      stats: () => ({ backlog: 3, running: 2, containers: 1 }),
      find: () => expect.unreachable(),
      onSettings: () => {},
    });
    const context = { caller: { kind: "client", workspaceId: "ac-1", tokenId: "ak-1" } } as never;
    const request = { appId: "ap-1", functionName: "hello", supportedInputFormats: [], supportedOutputFormats: [] };
    const methodDefinitions = { run: { supportedInputFormats: [DataFormat.CBOR], supportedOutputFormats: [] } };
    const reserved = await rpc.functionPrecreate?.({ ...request, methodDefinitions } as never, context);
    expect(reserved?.handleMetadata).toMatchObject({
      functionName: "hello",
      // A class that names none speaks what its methods do.
      supportedInputFormats: [DataFormat.CBOR],
      methodHandleMetadata: {
        run: {
          functionName: "hello.run",
          isMethod: true,
          useMethodName: "run",
          supportedInputFormats: [DataFormat.CBOR],
          // A client that names none knows but one.
          supportedOutputFormats: [DataFormat.PICKLE],
        },
      },
    });
    const made = await rpc.functionCreate?.(
      { appId: "ap-1", function: definition(), existingFunctionId: reserved?.functionId } as never,
      context,
    );
    expect(made).toMatchObject({
      functionId: reserved?.functionId,
      handleMetadata: {
        functionName: "hello",
        appId: "ap-1",
        functionType: FunctionType.FUNCTION,
        definitionId: functions.get(reserved?.functionId ?? "")?.definitionId,
        supportedInputFormats: [DataFormat.CBOR, DataFormat.CBOR_TS],
        maxObjectSizeBytes: 33_554_432n,
      },
      functionData: { rankedFunctions: [{ function: { functionName: "hello" } }] },
    });
    const functionId = reserved?.functionId ?? "";
    expect(await rpc.functionGetById?.({ functionId } as never, context)).toMatchObject({ function: { rankedFunctions: [{}] } });
    expect(await rpc.functionGetCurrentStats?.({ functionId } as never, context)).toMatchObject({
      backlog: 3,
      numRunningInputs: 2,
      numTotalTasks: 1,
    });
    await expect(async () => rpc.functionCreate?.({ appId: "ap-1" } as never, context)).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(async () =>
      rpc.functionPrecreate?.({ ...request, methodDefinitions: {}, webhookConfig: {} } as never, context),
    ).rejects.toMatchObject({ code: "unimplemented", message: expect.stringMatching(/web endpoints/) });
  });
});
