import { create, type Function as FunctionDefinition, FunctionSchema$, type MessageInitShape } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { validateDefinition } from "./validate.ts";

const define = (init: MessageInitShape<typeof FunctionSchema$>): FunctionDefinition =>
  create(FunctionSchema$, { runtime: "lydian-node", functionName: "work", ...init });

describe("a definition", () => {
  it("is taken with defaults and within its bounds", () => {
    validateDefinition(define({}));
    validateDefinition(
      define({ timeoutSecs: 86_400, maxConcurrentInputs: 100, autoscalerSettings: { minContainers: 1, maxContainers: 2 } }),
    );
  });

  it.each<[string, MessageInitShape<typeof FunctionSchema$>]>([
    ["secrets", { secretIds: ["st-1"] }],
    ["volumes", { volumeMounts: [{ volumeId: "vo-1", mountPath: "/v" }] }],
    ["GPUs", { resources: { gpuConfig: { gpuType: "H100", count: 1 } } }],
    ["schedules", { schedule: {} }],
    ["web endpoints", { webhookConfig: {} }],
    ["classes", { isClass: true }],
    ["batching", { batchMaxSize: 8 }],
    ["memory snapshots", { checkpointingEnabled: true }],
    ["serialized functions", { functionSerialized: new Uint8Array([1]) }],
  ])("is refused by name when it asks for %s", (what, init) => {
    expect(() => validateDefinition(define(init))).toThrow(`asks for ${what}`);
  });

  it("is refused for another runtime", () => {
    expect(() => validateDefinition(define({ runtime: "" }))).toThrow("only TypeScript functions are served");
  });

  it.each<[string, MessageInitShape<typeof FunctionSchema$>]>([
    ["timeout (s) 90000", { timeoutSecs: 90_000 }],
    ["concurrent inputs 20000", { maxConcurrentInputs: 20_000 }],
    ["retries 101", { retryPolicy: { retries: 101 } }],
    ["memory (MiB) 8", { resources: { memoryMb: 8 } }],
    ["at least 3 and at most 2 containers", { autoscalerSettings: { minContainers: 3, maxContainers: 2 } }],
    ["requests memory 512 and limits it to 128", { resources: { memoryMb: 512, memoryMbMax: 128 } }],
  ])("is refused with the value and the rule: %s", (text, init) => {
    expect(() => validateDefinition(define(init))).toThrow(text);
  });

  it.each(["", "a b", "x".repeat(129), "../x"])("is refused for the name %j", (functionName) => {
    expect(() => validateDefinition(define({ functionName }))).toThrow("is not a name of a function");
  });
});
