import {
  create,
  DataFormat,
  Function_DefinitionType as DefinitionType,
  FunctionSchema$,
  Function_FunctionType as FunctionType,
  fromBinary,
  type RegisteredClass,
  type RegisteredFunction,
  toBinary,
} from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { App } from "../app.ts";
import { parameter, parameters } from "../classes/parameters.ts";
import { InvalidError } from "../errors.ts";
import type { FunctionOptions } from "../options.ts";
import { Retries } from "../retries.ts";
import { Cron, Period } from "../schedule.ts";
import { functionDefinition } from "./create-functions.ts";

const PARTS = { appName: "shop", entry: "/app/main.mjs", imageId: "im-1", mountIds: ["mo-1", "mo-2"], secretIds: ["st-1", "st-2"] };

type Options = Omit<FunctionOptions, "input" | "batched">;
type Unscheduled = Omit<Options, "schedule">;

function register(options: Options, handler: () => unknown): RegisteredFunction {
  const app = new App("shop");
  app.function({ name: "work", ...(options as Unscheduled) }, handler as () => number);
  return app.registered[0] as RegisteredFunction;
}

/** As the server reads it. */
function definition(options: Options = {}, handler: () => unknown = async () => 1) {
  const message = create(FunctionSchema$, functionDefinition(register(options, handler), PARTS));
  return fromBinary(FunctionSchema$, toBinary(FunctionSchema$, message));
}

describe("functionDefinition", () => {
  it("says what runs where", () => {
    expect(definition()).toMatchObject({
      runtime: "lydian-node",
      moduleName: "/app/main.mjs",
      functionName: "work",
      implementationName: "work",
      appName: "shop",
      definitionType: DefinitionType.FILE,
      functionType: FunctionType.FUNCTION,
      imageId: "im-1",
      mountIds: ["mo-1", "mo-2"],
      supportedInputFormats: [DataFormat.CBOR, DataFormat.CBOR_TS],
      supportedOutputFormats: [DataFormat.CBOR, DataFormat.CBOR_TS],
    });
  });

  it("tells generators", () => {
    const generator = async function* () {
      yield 1;
    };
    expect(definition({}, generator).functionType).toBe(FunctionType.GENERATOR);
  });

  it("has the defaults of a function without options", () => {
    const message = definition();
    expect(message).toMatchObject({
      timeoutSecs: 300,
      startupTimeoutSecs: 300,
      maxConcurrentInputs: 1,
      targetConcurrentInputs: 1,
      singleUseContainers: false,
      maxInputs: 0,
      blockNetwork: false,
      warmPoolSize: 0,
      concurrencyLimit: 0,
      taskIdleTimeoutSecs: 60,
    });
    expect(message.retryPolicy).toBeUndefined();
    expect(message.resources).toMatchObject({ milliCpu: 0, milliCpuMax: 0, memoryMb: 0, memoryMbMax: 0, ephemeralDiskMb: 0 });
    expect(message.autoscalerSettings?.maxContainers).toBeUndefined();
  });

  it("has resources with their limits", () => {
    const { resources } = definition({
      cpu: { request: 0.5, limit: 2 },
      memory: { request: "256Mi", limit: "1Gi" },
      ephemeralDisk: "20Gi",
    });
    expect(resources).toMatchObject({ milliCpu: 500, milliCpuMax: 2_000, memoryMb: 256, memoryMbMax: 1_024, ephemeralDiskMb: 20_480 });
  });

  it("has times, concurrency and the network rule", () => {
    expect(definition({ timeout: "90s", startupTimeout: "2m", concurrent: { maxInputs: 8 }, blockNetwork: true })).toMatchObject({
      timeoutSecs: 90,
      startupTimeoutSecs: 120,
      maxConcurrentInputs: 8,
      targetConcurrentInputs: 8,
      blockNetwork: true,
    });
  });

  it("gives a single-use container one input", () => {
    expect(definition({ singleUseContainers: true })).toMatchObject({ singleUseContainers: true, maxInputs: 1 });
  });

  it("has the rules for retries", () => {
    const retries = new Retries({ maxRetries: 4, initialDelay: "250ms", backoffCoefficient: 1.5, maxDelay: "10s" });
    expect(definition({ retries }).retryPolicy).toMatchObject({
      retries: 4,
      initialDelayMs: 250,
      maxDelayMs: 10_000,
      backoffCoefficient: 1.5,
    });
    expect(definition({ retries: 2 }).retryPolicy).toMatchObject({ retries: 2, initialDelayMs: 1_000 });
  });

  it("has the schedule", () => {
    expect(definition().schedule).toBeUndefined();
    expect(definition({ schedule: new Cron("0 9 * * *", { timezone: "Europe/Berlin" }) }).schedule?.scheduleOneof).toMatchObject({
      case: "cron",
      value: { cronString: "0 9 * * *", timezone: "Europe/Berlin" },
    });
    expect(definition({ schedule: new Period({ days: 1, seconds: 1.5 }) }).schedule?.scheduleOneof).toMatchObject({
      case: "period",
      value: { years: 0, days: 1, seconds: 1.5 },
    });
  });

  it("has the scaling in the fields of both times", () => {
    const message = definition({ minContainers: 1, maxContainers: 5, bufferContainers: 2, scaledownWindow: "2m" });
    expect(message).toMatchObject({ warmPoolSize: 1, concurrencyLimit: 5, taskIdleTimeoutSecs: 120 });
    expect(message.autoscalerSettings).toMatchObject({ minContainers: 1, maxContainers: 5, bufferContainers: 2, scaledownWindow: 120 });
  });

  it("fits on the wire at the ends of every range", () => {
    const retries = new Retries({ maxRetries: 100, initialDelay: "24h", backoffCoefficient: 10, maxDelay: "24h" });
    expect(() =>
      definition({
        cpu: 1_024,
        memory: "1024Ti",
        ephemeralDisk: "1024Ti",
        timeout: "24h",
        startupTimeout: "24h",
        scaledownWindow: "24h",
        retries,
        maxContainers: 10_000,
      }),
    ).not.toThrow();
  });

  it("refuses options that were changed to what cannot be", () => {
    const fn = { ...register({}, async () => 1), options: { gpu: "H100" } };
    expect(() => functionDefinition(fn, PARTS)).toThrow(InvalidError);
  });
});

describe("functionDefinition of a class", () => {
  class Impl extends parameters({
    name: parameter.string(),
    size: parameter.int({ default: 3 }),
    on: parameter.bool({ default: false }),
    key: parameter.bytes({ default: new Uint8Array([7]) }),
  }) {
    async embed(texts: string[]) {
      return texts;
    }
  }

  it("is that of one function for all methods, which tells its parameters", () => {
    const app = new App("shop");
    app.cls({ name: "Model", methods: ["embed"], batched: { maxBatchSize: 8, wait: "20ms" } }, Impl);
    const message = create(FunctionSchema$, functionDefinition(app.registered[0] as RegisteredClass, PARTS));
    expect(fromBinary(FunctionSchema$, toBinary(FunctionSchema$, message))).toMatchObject({
      functionName: "Model.*",
      implementationName: "Model.*",
      functionType: FunctionType.FUNCTION,
      isClass: true,
      methodDefinitionsSet: true,
      methodDefinitions: { embed: { functionName: "Model.embed", functionType: FunctionType.FUNCTION, supportedInputFormats: [4, 1001] } },
      maxConcurrentInputs: 1,
      targetConcurrentInputs: 0,
      batchMaxSize: 8,
      batchLingerMs: 20n,
      classParameterInfo: {
        format: 2,
        schema: [
          { name: "name", type: 1, fullType: { baseType: 1 }, hasDefault: false },
          { name: "size", type: 2, hasDefault: true, defaultOneof: { case: "intDefault", value: 3n } },
          { name: "on", type: 9, hasDefault: true, defaultOneof: { case: "boolDefault", value: false } },
          { name: "key", type: 4, hasDefault: true, defaultOneof: { case: "bytesDefault" } },
        ],
      },
    });
  });
});
