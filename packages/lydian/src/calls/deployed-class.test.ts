import {
  type ClassGetRequest,
  ClassParameterSetSchema,
  DataFormat,
  encodePayload,
  type FunctionBindParamsRequest,
  type FunctionMapRequest,
  Function_FunctionType as FunctionType,
  fromBinary,
  ParameterType,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { App } from "../app.ts";
import { DeployedClasses } from "../deployed.ts";
import { startTestServer, type TestServer } from "../test-server.ts";

const formats = { supportedInputFormats: [DataFormat.CBOR, DataFormat.CBOR_TS] };
const NAME = { name: "name", type: ParameterType.PARAM_TYPE_STRING };
const SIZE = {
  name: "size",
  type: ParameterType.PARAM_TYPE_INT,
  hasDefault: true,
  defaultOneof: { case: "intDefault" as const, value: 3n },
};

let server: TestServer;
let lookups: ClassGetRequest[];
let binds: FunctionBindParamsRequest[];
let calls: FunctionMapRequest[];
let schema: object[];
let session = 0;

beforeEach(async () => {
  [lookups, binds, calls, schema] = [[], [], [], [NAME, SIZE]];
  session++;
  server = await startTestServer({
    modal: {
      classGet(request) {
        lookups.push(request);
        const methodHandleMetadata = { run: formats, each: { ...formats, functionType: FunctionType.GENERATOR } };
        const classFunctionMetadata = { ...formats, methodHandleMetadata, classParameterInfo: { schema } };
        return { classId: "cs-1", handleMetadata: { classFunctionId: `fu-class${session}`, classFunctionMetadata } };
      },
      functionBindParams(request) {
        binds.push(request);
        return { boundFunctionId: `fu-bound${binds.length}` };
      },
      functionMap(request) {
        calls.push(request);
        const result = { status: Status.SUCCESS, dataOneof: { case: "data" as const, value: encodePayload(request.functionId) } };
        return { functionCallId: "fc-1", lydianOutputs: [{ idx: 0, dataFormat: DataFormat.CBOR, result }] };
      },
    },
  });
});
afterEach(() => server[Symbol.asyncDispose]());

const Model = () => DeployedClasses.fromName("shop", "Model");
const run = (instance: object) => (instance as { run: { remote(): Promise<unknown> } }).run.remote();
const bound = () => fromBinary(ClassParameterSetSchema, binds.at(-1)?.serializedParams ?? new Uint8Array()).parameters;

describe("a class by name", () => {
  it("is looked up with the first call of a method, and bound with what was given and with defaults", async () => {
    const cls = Model();
    const instance = new cls({ name: "x" });
    expect(lookups).toEqual([]);
    expect(await run(instance)).toBe("fu-bound1");
    expect(await run(new cls({ name: "x", size: 3 }))).toBe("fu-bound1");
    expect(lookups).toMatchObject([{ appName: "shop", objectTag: "Model", environmentName: "main" }]);
    expect(binds[0]?.functionId).toBe(`fu-class${session}`);
    expect(bound()).toMatchObject([
      { name: "name", valueOneof: { value: "x" } },
      { name: "size", valueOneof: { value: 3n } },
    ]);
    expect(calls[0]?.pipelinedInputs[0]?.input?.methodName).toBe("run");
    expect(await instance).toBe(instance);
  });

  it("refuses parameters that the class does not declare, and methods that it does not have", async () => {
    await expect(run(new (Model())({ name: "x", sice: 2 }))).rejects.toThrow('There is no parameter "sice"; there are: name, size.');
    await expect(run(new (Model())())).rejects.toThrow("The parameter `name` is missing");
    const { other, each } = new (Model())({ name: "x" });
    await expect(other?.remote()).rejects.toThrow('The class has no method "other"; it has: run, each.');
    await expect(each?.remote()).rejects.toThrow("is a generator");
  });

  it("has no variant when nothing is given, and one when its options are others", async () => {
    schema = [];
    expect(await run(new (Model())())).toBe(`fu-class${session}`);
    const Big = Model().withOptions({ memory: "1Gi" });
    expect(await run(new Big())).toBe("fu-bound1");
    expect(binds[0]?.functionOptions).toMatchObject({ resources: { memoryMb: 1024 } });
  });

  it("is among what App.ref has", async () => {
    const ref = App.ref("shop") as unknown as { Model: ReturnType<typeof Model> };
    expect(await run(new ref.Model({ name: "y" }))).toBe("fu-bound1");
    expect(await run(new (ref.Model.withOptions({ cpu: 1 }))({ name: "y" }))).toBe("fu-bound2");
  });
});
