import { describe, expect, it } from "vitest";
import { InvalidError } from "./errors.ts";
import { Image } from "./image/image.ts";
import { type FunctionOptions, resolveOptions } from "./options.ts";
import { Retries } from "./retries.ts";

const resolve = (options: Record<string, unknown>) => resolveOptions(options as FunctionOptions);

/** What other platforms of this kind take, and this one does not yet. */
const UNSERVED = [
  "gpu",
  "volumes",
  "cron",
  "region",
  "cloud",
  "mounts",
  "proxy",
  "networkFileSystems",
  "keepWarm",
  "restrictOutput",
  "Timeout",
];

describe("resolveOptions", () => {
  it("completes an empty record", () => {
    expect(resolve({})).toEqual({
      image: undefined,
      milliCpu: 0,
      milliCpuMax: 0,
      memoryMiB: 0,
      memoryMaxMiB: 0,
      diskMiB: 0,
      timeoutSeconds: 300,
      startupTimeoutSeconds: 300,
      retries: undefined,
      maxConcurrentInputs: 1,
      minContainers: 0,
      maxContainers: 0,
      bufferContainers: 0,
      scaledownSeconds: 60,
      singleUseContainers: false,
      blockNetwork: false,
      schedule: undefined,
    });
  });

  it.each(UNSERVED)("refuses the option %s, which is not served, by name", (option) => {
    expect(() => resolve({ [option]: 1 })).toThrow(InvalidError);
    expect(() => resolve({ [option]: 1 })).toThrow(`\`${option}\` is not served yet`);
  });

  it("says which options are served", () => {
    const hint = (() => {
      try {
        return resolve({ gpu: "H100" });
      } catch (error) {
        return (error as InvalidError).hint;
      }
    })();
    expect(hint).toMatch(/^Served are: .*\bblockNetwork, .*timeout\.$/);
  });

  it("passes over an unserved option that is undefined", () => {
    expect(() => resolve({ gpu: undefined })).not.toThrow();
  });

  it("takes a request as the limit too, unless both are given", () => {
    expect(resolve({ cpu: 0.5, memory: "1Gi" })).toMatchObject({ milliCpu: 500, milliCpuMax: 500, memoryMiB: 1_024, memoryMaxMiB: 1_024 });
    expect(resolve({ cpu: { request: 1, limit: 2 }, memory: { request: 64, limit: "1Gi" } })).toMatchObject({
      milliCpu: 1_000,
      milliCpuMax: 2_000,
      memoryMiB: 64,
      memoryMaxMiB: 1_024,
    });
  });

  it("rounds times up to whole seconds", () => {
    expect(resolve({ timeout: 1, startupTimeout: "1500ms", scaledownWindow: 0 })).toMatchObject({
      timeoutSeconds: 1,
      startupTimeoutSeconds: 2,
      scaledownSeconds: 0,
    });
  });

  it("takes a number of retries, or rules for them", () => {
    const rules = new Retries({ maxRetries: 2, initialDelay: "5s" });
    expect(resolve({ retries: rules }).retries).toBe(rules);
    expect(resolve({ retries: 3 }).retries).toEqual(new Retries({ maxRetries: 3 }));
    expect(resolve({ retries: 0 }).retries).toBeUndefined();
  });

  it("takes the ends of each range", () => {
    expect(resolve({ cpu: 0.001 }).milliCpu).toBe(1);
    expect(resolve({ cpu: 1_024 }).milliCpu).toBe(1_024_000);
    expect(resolve({ timeout: "24h" }).timeoutSeconds).toBe(86_400);
    expect(resolve({ concurrent: { maxInputs: 10_000 } }).maxConcurrentInputs).toBe(10_000);
    expect(resolve({ minContainers: 3, maxContainers: 3 })).toMatchObject({ minContainers: 3, maxContainers: 3 });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ cpu: 0 }, "`cpu` is 0; it must be a number from 0.001 to 1024."],
    [{ cpu: 1_025 }, "`cpu` is 1025;"],
    [{ cpu: "2" }, '`cpu` is "2";'],
    [{ cpu: Number.NaN }, "`cpu` is NaN;"],
    [{ cpu: { request: 2, limit: 1 } }, "`cpu` requests 2 and limits to 1"],
    [{ cpu: { limit: 1 } }, '`cpu` is {"limit":1};'],
    [{ memory: { request: "2Gi", limit: "1Gi" } }, "`memory` requests 2048 and limits to 1024"],
    [{ memory: "2GB" }, 'memory is "2GB"'],
    [{ ephemeralDisk: 0 }, "ephemeralDisk is 0"],
    [{ timeout: 0 }, "`timeout` is 0; it must be from 1 s to 24 hours."],
    [{ timeout: "25h" }, '`timeout` is "25h";'],
    [{ startupTimeout: "0s" }, '`startupTimeout` is "0s";'],
    [{ scaledownWindow: "2d" }, '`scaledownWindow` is "2d";'],
    [{ retries: 101 }, "maxRetries is 101;"],
    [{ retries: { maxRetries: 3 } }, '`retries` is {"maxRetries":3}; it must be a whole number from 0 to 100 or new Retries'],
    [{ retries: null }, "`retries` is null;"],
    [{ concurrent: { maxInputs: 0 } }, "`concurrent.maxInputs` is 0; it must be a whole number from 1 to 10000."],
    [{ concurrent: {} }, "`concurrent.maxInputs` is undefined;"],
    [{ concurrent: 5 }, "`concurrent` is 5;"],
    [{ concurrent: { maxInputs: 5, targetInputs: 2 } }, "it must be { maxInputs: … } and nothing more."],
    [{ minContainers: -1 }, "`minContainers` is -1;"],
    [{ maxContainers: 0 }, "`maxContainers` is 0;"],
    [{ maxContainers: 10_001 }, "`maxContainers` is 10001;"],
    [{ minContainers: 5, maxContainers: 2 }, "`minContainers` is 5 and `maxContainers` is 2"],
    [{ bufferContainers: 1.5 }, "`bufferContainers` is 1.5;"],
    [{ singleUseContainers: 1 }, "`singleUseContainers` is 1; it must be true or false."],
    [{ blockNetwork: "yes" }, '`blockNetwork` is "yes";'],
    [{ schedule: "0 9 * * *" }, '`schedule` is "0 9 * * *"; it must be a Cron or a Period'],
    [{ image: "node:24" }, "`image` must be an Image"],
    [{ env: { "1A": "x" } }, '"1A" is no name of a variable'],
    [{ env: { A: 1 } }, "The variable A is 1; it must be a string."],
  ])("refuses %j", (options, message) => {
    expect(() => resolve(options)).toThrow(InvalidError);
    expect(() => resolve(options)).toThrow(message);
  });

  it("takes an image of another copy of the package", () => {
    const foreign = { [Symbol.for("lydian.image.v1")]: true, base: "node:24-slim", steps: [], mounted: [], env: () => foreign };
    expect(resolve({ image: foreign, env: { A: "1" } }).image).toBe(foreign);
    expect(resolve({ image: Image.node() }).image).toBeInstanceOf(Image);
  });
});
