import {
  ClassParameterSetSchema,
  CONSTRUCTOR_ARGUMENTS,
  type DataFormat,
  decodePayload,
  encodePayload,
  type FunctionBindParamsRequest,
  type FunctionMapRequest,
  fromBinary,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { App } from "../app.ts";
import { parameter, parameters } from "../classes/parameters.ts";
import { InvalidError } from "../errors.ts";
import { Retries } from "../retries.ts";
import { startTestServer } from "../test-server.ts";

let binds: FunctionBindParamsRequest[];
let calls: FunctionMapRequest[];
let refuse = false;
beforeEach(() => {
  [binds, calls, refuse] = [[], [], false];
});

let session = 0;
/** Answers every call with the id of what was called. A function of its own for each test: bound ids are kept. */
function server() {
  session++;
  return startTestServer({
    functionIds: { work: `fu-work${session}`, "Model.*": `fu-model${session}`, "Plain.*": `fu-plain${session}` },
    modal: {
      functionBindParams: (request) => {
        binds.push(request);
        if (refuse) throw new InvalidError("no");
        return { boundFunctionId: `fu-bound${binds.length}` };
      },
      functionMap: (request) => {
        calls.push(request);
        const value = encodePayload(request.functionId, { rich: true });
        const dataFormat: DataFormat = request.pipelinedInputs[0]?.input?.dataFormat ?? 0;
        const result = { status: Status.SUCCESS, dataOneof: { case: "data" as const, value } };
        return { functionCallId: "fc-1", lydianOutputs: [{ idx: 0, dataFormat, result }] };
      },
      functionGetCurrentStats: ({ functionId }) => ({ backlog: functionId.length, numTotalTasks: 0, numRunningInputs: 0 }),
    },
  });
}

const app = new App("calls");
const work = app.function({ name: "work" }, async (x: number): Promise<unknown> => x);
class ModelImpl extends parameters({ name: parameter.string(), size: parameter.int({ default: 3 }) }) {
  async run(x: number): Promise<unknown> {
    return x;
  }
}
const Model = app.cls({ name: "Model", methods: ["run"] }, ModelImpl);
class PlainImpl {
  readonly args: unknown[];
  constructor(...args: unknown[]) {
    this.args = args;
  }
  async run(): Promise<unknown> {
    return 1;
  }
}
const Plain = app.cls({ name: "Plain", methods: ["run"] }, PlainImpl);

const parametersOf = (request: FunctionBindParamsRequest | undefined) =>
  fromBinary(ClassParameterSetSchema, request?.serializedParams ?? new Uint8Array()).parameters;

describe("a call of a method", () => {
  it("goes to the function of the class with the method's name, without a variant when nothing is given", async () => {
    await using _ = await server();
    expect(await new Plain().run.remote()).toBe(`fu-plain${session}`);
    expect(calls[0]?.pipelinedInputs[0]?.input?.methodName).toBe("run");
    expect(binds).toEqual([]);
  });

  it("goes to a variant for declared parameters, which is asked for once", async () => {
    await using _ = await server();
    expect(await new Model({ name: "x" }).run.remote(1)).toBe("fu-bound1");
    expect(await new Model({ name: "x", size: 3 }).run.remote(1)).toBe("fu-bound1");
    expect(await new Model({ name: "y" }).run.remote(1)).toBe("fu-bound2");
    expect(binds).toHaveLength(2);
    expect(binds[0]?.functionId).toBe(`fu-model${session}`);
    expect(parametersOf(binds[0])).toMatchObject([
      { name: "name", type: 1, valueOneof: { case: "stringValue", value: "x" } },
      { name: "size", type: 2, valueOneof: { case: "intValue", value: 3n } },
    ]);
  });

  it("carries the arguments of a plain constructor", async () => {
    await using _ = await server();
    await new Plain("eu", { n: 2 }).run.remote();
    const [parameter, other] = parametersOf(binds[0]);
    expect(other).toBeUndefined();
    expect(parameter?.name).toBe(CONSTRUCTOR_ARGUMENTS);
    expect(decodePayload(parameter?.valueOneof.value as Uint8Array)).toEqual(["eu", { n: 2 }]);
  });

  it("asks again after a failure", async () => {
    await using _ = await server();
    refuse = true;
    await expect(new Model({ name: "z" }).run.remote(1)).rejects.toThrow("no");
    refuse = false;
    expect(await new Model({ name: "z" }).run.remote(1)).toBe("fu-bound2");
  });
});

describe("withOptions", () => {
  it("asks for a variant with what was given, and nothing more", async () => {
    await using _ = await server();
    const other = work.withOptions({ timeout: "90s", cpu: { request: 0.5, limit: 2 }, retries: new Retries({ maxRetries: 2 }) });
    expect(await other.remote(1)).toBe("fu-bound1");
    expect(await work.remote(1)).toBe(`fu-work${session}`);
    expect((await other.getCurrentStats()).backlog).toBe("fu-bound1".length);
    expect(binds[0]?.serializedParams).toHaveLength(0);
    expect(binds[0]?.functionOptions).toMatchObject({
      timeoutSecs: 90,
      resources: { milliCpu: 500, milliCpuMax: 2000, memoryMb: 0 },
      retryPolicy: { retries: 2 },
    });
    expect(binds[0]?.functionOptions?.maxConcurrentInputs).toBeUndefined();
    expect(binds[0]?.functionOptions?.concurrencyLimit).toBeUndefined();
  });

  it("adds to earlier ones, and reaches every instance of a class", async () => {
    await using _ = await server();
    const Big = Model.withOptions({ memory: "1Gi", maxContainers: 2 }).withConcurrency({ maxInputs: 5 });
    await new Big({ name: "x" }).run.remote(1);
    expect(parametersOf(binds[0])).toHaveLength(2);
    expect(binds[0]?.functionOptions).toMatchObject({
      resources: { memoryMb: 1024 },
      concurrencyLimit: 2,
      maxConcurrentInputs: 5,
    });
  });

  it("changes how a batched function gathers, and refuses that of others", async () => {
    await using _ = await server();
    const batching = new App("b").function({ name: "work", batched: { maxBatchSize: 2, wait: 0 } }, async (xs: number[]) => xs);
    await batching.withBatching({ maxBatchSize: 8, wait: "1s" }).remote(1);
    expect(binds[0]?.functionOptions).toMatchObject({ batchMaxSize: 8, batchLingerMs: 1000n });
    expect(() => work.withBatching({ maxBatchSize: 8, wait: "1s" })).toThrow("this one takes them one by one");
    expect(() => work.withOptions({ image: 1 } as never)).toThrow("`image` is no option of withOptions; it has: cpu, memory");
    expect(() => work.withOptions({ timeout: "0s" })).toThrow("`timeout`");
  });
});
