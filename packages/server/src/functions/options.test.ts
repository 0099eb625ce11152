import {
  AutoscalerSettingsSchema,
  create,
  equals,
  FunctionOptionsSchema,
  FunctionSchema$,
  type MessageInitShape,
  ResourcesSchema,
} from "@lydian/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyOptions, applySettings, mergeSettings, settingsOf } from "./options.ts";

const base = create(FunctionSchema$, {
  functionName: "C.*",
  secretIds: ["st-1"],
  resources: { milliCpu: 500, memoryMb: 256 },
  timeoutSecs: 60,
  concurrencyLimit: 5,
  maxConcurrentInputs: 10,
  targetConcurrentInputs: 8,
  autoscalerSettings: { maxContainers: 5, scaledownWindow: 30 },
  volumeMounts: [{ volumeId: "vo-1", mountPath: "/data" }],
  objectDependencies: [{ objectId: "st-1" }],
});
const apply = (options: MessageInitShape<typeof FunctionOptionsSchema>) => applyOptions(base, create(FunctionOptionsSchema, options));

describe("options", () => {
  it("that are not given leave the definition as it is", () => {
    expect(equals(FunctionSchema$, apply({}), applySettings(base, create(AutoscalerSettingsSchema)))).toBe(true);
    expect(equals(FunctionSchema$, apply({ resources: { gpuConfig: {} } }), apply({}))).toBe(true);
  });

  it("add secrets and volumes, or replace them", () => {
    expect(apply({ secretIds: ["st-2"] }).secretIds).toEqual(["st-1", "st-2"]);
    expect(apply({ secretIds: ["st-2"], replaceSecretIds: true }).secretIds).toEqual(["st-2"]);
    expect(apply({ replaceSecretIds: true }).secretIds).toEqual([]);
    const mounts = (options: MessageInitShape<typeof FunctionOptionsSchema>) => apply(options).volumeMounts.map((each) => each.volumeId);
    expect(mounts({ volumeMounts: [{ volumeId: "vo-2", mountPath: "/more" }] })).toEqual(["vo-1", "vo-2"]);
    expect(mounts({ volumeMounts: [{ volumeId: "vo-2", mountPath: "/data" }] })).toEqual(["vo-2"]);
    expect(mounts({ volumeMounts: [{ volumeId: "vo-2", mountPath: "/more" }], replaceVolumeMounts: true })).toEqual(["vo-2"]);
  });

  it("never change what the container looks up", () => {
    expect(apply({ secretIds: ["st-2"] }).objectDependencies.map(({ objectId }) => objectId)).toEqual(["st-1"]);
  });

  it("merge resources field by field", () => {
    const fields = ["milliCpu", "memoryMb", "milliCpuMax", "memoryMbMax", "ephemeralDiskMb"] as const;
    const given = fc.record(Object.fromEntries(fields.map((field) => [field, fc.nat(5_000)])), { requiredKeys: [] });
    fc.assert(
      fc.property(given, (resources) => {
        const merged = apply({ resources: create(ResourcesSchema, resources) }).resources;
        for (const field of fields) expect(merged?.[field]).toBe(resources[field] || base.resources?.[field]);
      }),
    );
  });

  it("set the autoscaler under its new names and its old ones", () => {
    expect(apply({ concurrencyLimit: 2, taskIdleTimeoutSecs: 9, bufferContainers: 1 })).toMatchObject({
      concurrencyLimit: 2,
      taskIdleTimeoutSecs: 9,
      autoscalerSettings: { maxContainers: 2, scaledownWindow: 9, bufferContainers: 1 },
    });
  });

  it("with fewer concurrent inputs forget the target of the base", () => {
    expect(apply({ maxConcurrentInputs: 2 })).toMatchObject({ maxConcurrentInputs: 2, targetConcurrentInputs: 0 });
    expect(apply({ timeoutSecs: 1 })).toMatchObject({ timeoutSecs: 1, maxConcurrentInputs: 10, targetConcurrentInputs: 8 });
  });
});

describe("settings", () => {
  const fields = ["minContainers", "maxContainers", "bufferContainers", "scaledownWindow"] as const;
  const settings = fc
    .record(Object.fromEntries(fields.map((field) => [field, fc.nat(100)])), { requiredKeys: [] })
    .map((given) => create(AutoscalerSettingsSchema, given));

  it("in force are the last given, each for itself", () => {
    fc.assert(
      fc.property(settings, settings, (first, second) => {
        const once = settingsOf(applySettings(base, mergeSettings(first, second)));
        const twice = settingsOf(applySettings(applySettings(base, first), second));
        expect(equals(AutoscalerSettingsSchema, once, twice)).toBe(true);
        for (const field of fields) expect(once[field]).toBe(second[field] ?? first[field] ?? base.autoscalerSettings?.[field]);
      }),
    );
  });
});
