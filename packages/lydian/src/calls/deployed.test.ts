import {
  DataFormat,
  decodePayload,
  encodePayload,
  type FunctionGetRequest,
  type FunctionMapRequest,
  Function_FunctionType as FunctionType,
  type FunctionUpdateSchedulingParamsRequest,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { App } from "../app.ts";
import { DeployedFunctions } from "../deployed.ts";
import { InvalidError, LydianError, NotFoundError } from "../errors.ts";
import { kw } from "../kw.ts";
import { startTestServer, type TestServer } from "../test-server.ts";

const PYTHON = [DataFormat.PICKLE, DataFormat.CBOR];
const OURS = [DataFormat.CBOR, DataFormat.CBOR_TS];

let server: TestServer;
let lookups: FunctionGetRequest[];
let calls: FunctionMapRequest[];
let updates: FunctionUpdateSchedulingParamsRequest[];
/** What the server knows of every function that is asked for; `undefined`: there is none. */
let metadata: { supportedInputFormats: DataFormat[]; functionType?: FunctionType } | undefined;
/** Ids that were of a stopped app. */
let gone: Set<string>;

beforeEach(async () => {
  [lookups, calls, updates, gone] = [[], [], [], new Set()];
  metadata = { supportedInputFormats: OURS };
  server = await startTestServer({
    modal: {
      functionGet(request) {
        lookups.push(request);
        if (!metadata) throw new LydianError("not_found", "There is none.", { hint: "There is: square." });
        return { functionId: `fu-${lookups.length}`, handleMetadata: metadata };
      },
      functionMap(request) {
        if (gone.has(request.functionId)) throw new LydianError("failed_precondition", "The app was stopped.");
        calls.push(request);
        const result = { status: Status.SUCCESS, dataOneof: { case: "data" as const, value: encodePayload(request.functionId) } };
        return { functionCallId: "fc-1", lydianOutputs: [{ idx: 0, dataFormat: DataFormat.CBOR, result }] };
      },
      functionGetCurrentStats: () => ({ backlog: 1, numTotalTasks: 2, numRunningInputs: 3 }),
      functionUpdateSchedulingParams(request) {
        updates.push(request);
        return {};
      },
    },
  });
});
afterEach(() => server[Symbol.asyncDispose]());

const square = () => DeployedFunctions.fromName("shop", "square", { environment: "dev" });
const sent = () => {
  const input = calls.at(-1)?.pipelinedInputs[0]?.input;
  return [input?.dataFormat, decodePayload(input?.argsOneof.value as Uint8Array)];
};

describe("a function by name", () => {
  it("is looked up with the first call, and once", async () => {
    const fn = square();
    expect(lookups).toEqual([]);
    expect(await fn.remote(1)).toBe("fu-1");
    expect(await square().remote(2)).toBe("fu-1");
    expect(lookups).toMatchObject([{ appName: "shop", objectTag: "square", environmentName: "dev" }]);
    expect(fn.name).toBe("square");
    expect(fn).not.toHaveProperty("local");
  });

  it("is of the connection's environment unless another is named", async () => {
    await DeployedFunctions.fromName("shop", "square").remote();
    expect(lookups[0]?.environmentName).toBe("main");
  });

  it("is looked up again when what was found is gone, and once more only", async () => {
    await square().remote(1);
    gone.add("fu-1");
    expect(await square().remote(1)).toBe("fu-2");
    for (const id of ["fu-2", "fu-3"]) gone.add(id);
    await expect(square().remote(1)).rejects.toThrow("The app was stopped.");
    expect(lookups).toHaveLength(3);
  });

  it("is asked for again after it was not there", async () => {
    metadata = undefined;
    const error = await square()
      .remote()
      .catch((each: unknown) => each);
    expect(error).toBeInstanceOf(NotFoundError);
    expect((error as NotFoundError).hint).toBe("There is: square.");
    metadata = { supportedInputFormats: OURS };
    expect(await square().remote()).toBe("fu-2");
  });

  it("is called in the way that its kind is called", async () => {
    await expect(square().remoteGen().next()).rejects.toThrow("square is no generator");
    metadata = { supportedInputFormats: OURS, functionType: FunctionType.GENERATOR };
    const other = DeployedFunctions.fromName("shop", "other");
    await expect(other.remote()).rejects.toThrow(InvalidError);
    await expect(other.map([1])).rejects.toThrow("other is a generator: its values come from remoteGen.");
  });

  it.each(["", "a b", "x".repeat(129)])("has no name like %j", (name) => {
    expect(() => DeployedFunctions.fromName("shop", name)).toThrow(InvalidError);
    expect(() => DeployedFunctions.fromName(name, "square")).toThrow("is not a name of an app");
  });
});

describe("arguments", () => {
  it("stay what they are for functions of ours", async () => {
    await square().remote(1, undefined);
    expect(sent()).toEqual([DataFormat.CBOR_TS, [[1, undefined], {}]]);
  });

  it("are plain CBOR for functions of other languages", async () => {
    metadata = { supportedInputFormats: PYTHON };
    await square().remote(1, undefined, kw({ factor: 2 }));
    expect(sent()).toEqual([DataFormat.CBOR, [[1, null], { factor: 2 }]]);
  });

  it("may have names only at the end", async () => {
    await expect(square().remote(kw({ a: 1 }), 2)).rejects.toThrow("Argument 1 is kw(…), which must be the last one.");
  });

  it("cannot be sent to what only takes pickles", async () => {
    metadata = { supportedInputFormats: [DataFormat.PICKLE] };
    await expect(square().remote(1)).rejects.toThrow('The function "square" takes its arguments as PICKLE');
  });
});

describe("App.ref", () => {
  it("has a handle for each name, and can be awaited and printed", async () => {
    const ref = App.ref<{ square: ReturnType<typeof square> & { local: () => number } }>("shop");
    expect(await ref).toBe(ref);
    expect(JSON.stringify(ref)).toBe("{}");
    const { cube } = ref as unknown as Record<string, ReturnType<typeof square>>;
    expect(await cube?.remote(3)).toBe("fu-1");
    expect(lookups).toMatchObject([{ appName: "shop", objectTag: "cube" }]);
  });
});

describe("the autoscaler", () => {
  it("gets what was given and nothing more", async () => {
    await square().updateAutoscaler({ minContainers: 2, scaledownWindow: "5m" });
    const { settings } = updates[0] ?? {};
    expect(updates[0]?.functionId).toBe("fu-1");
    expect(settings).toMatchObject({ minContainers: 2, scaledownWindow: 300 });
    expect(settings?.maxContainers).toBeUndefined();
  });

  it("is not asked for what cannot be", async () => {
    await expect(square().updateAutoscaler({ minContainers: 3, maxContainers: 2 })).rejects.toThrow("must not be above");
    await expect(square().updateAutoscaler({ memory: "1Gi" } as object)).rejects.toThrow("`memory` is no option of updateAutoscaler");
    expect(updates).toEqual([]);
  });

  it("says what there is", async () => {
    expect(await square().getCurrentStats()).toEqual({ backlog: 1, containers: 2, running: 3 });
  });
});
