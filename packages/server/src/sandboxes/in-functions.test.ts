import { LydianError, ObjectCreationType } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { InFunctions } from "./in-functions.ts";

const SANDBOXES: Record<string, object> = {
  "sb-own": { workspaceId: "ac-1", environmentId: "en-1" },
  "sb-other": { workspaceId: "ac-1", environmentId: "en-2" },
};
const SECRETS: Record<string, object> = {
  "st-own": { name: "own", environmentId: "en-1" },
  "st-other": { name: "other", environmentId: "en-1" },
  "st-unnamed": { name: "", environmentId: "en-1" },
  "st-elsewhere": { name: "", environmentId: "en-2" },
};

function limits(definition: object = {}) {
  const absent = (what: string) => {
    throw new LydianError("not_found", `no ${what}`);
  };
  return new InFunctions({
    lookup: {
      environment: (_caller: unknown, name: string) => (name === "" || name === "main" ? { id: "en-1", name: "main" } : absent(name)),
      live: (_caller: unknown, appId: string) => (appId === "ap-own" ? { id: appId } : absent(appId)),
    },
    functions: { require: () => ({ definition: { functionName: "f", secretIds: ["st-own"], blockNetwork: false, ...definition } }) },
    secrets: { require: (id: string) => SECRETS[id] ?? absent(id) },
    sandboxes: {
      require: (id: string) => SANDBOXES[id] ?? absent(id),
      recordOfTask: (taskId: string) => SANDBOXES[taskId.replace("ta-", "sb-")],
    },
  } as never);
}

const caller = { kind: "container", taskId: "ta-f", workspaceId: "ac-1", environmentId: "en-1", appId: "ap-own", functionId: "fu-1" };
const client = { kind: "client", workspaceId: "ac-1", tokenId: "ak-1" };

/** What arrives when this is asked for. */
function ask(request: object, who: object = caller, definition: object = {}): unknown {
  let arrived: unknown;
  const { sandboxWait } = limits(definition).restrict({
    sandboxWait(given) {
      arrived = given;
      return {};
    },
  });
  sandboxWait?.(request as never, { caller: who } as never);
  return arrived;
}

describe("what a function asks of sandboxes", () => {
  it("arrives when all that it names is its own, with its own environment as the default", () => {
    const definition = { secretIds: ["st-own", "st-unnamed"] };
    const secretSources = [{ source: { case: "secretId", value: "st-own" } }, { source: { case: "env", value: { contents: { A: "1" } } } }];
    const request = { sandboxId: "sb-own", appId: "ap-own", definition, secretSources, environmentName: "" };
    expect(ask(request)).toEqual({ ...request, environmentName: "main" });
    expect(ask({ taskId: "ta-own" })).toEqual({ taskId: "ta-own" });
    expect(ask({ target: { case: "taskId", value: "ta-own" } })).toBeDefined();
  });

  it.each<[object, string]>([
    [{ sandboxId: "sb-other" }, "not_found"],
    [{ sandboxId: "" }, "not_found"],
    [{ target: { case: "sandboxId", value: "sb-other" } }, "not_found"],
    [{ target: { case: "taskId", value: "ta-other" } }, "not_found"],
    [{ taskId: "ta-of-a-function" }, "not_found"],
    [{ appId: "ap-other" }, "not_found"],
    [{ environmentName: "staging" }, "not_found"],
    [{ definition: { secretIds: ["st-other"] } }, "permission_denied"],
    [{ definition: { secretIds: ["st-elsewhere"] } }, "permission_denied"],
    [{ secretSources: [{ source: { case: "secretId", value: "st-other" } }] }, "permission_denied"],
    [{ image: { secretIds: ["st-other"] } }, "permission_denied"],
  ])("is refused for %j, and not to clients", (request, code) => {
    expect(() => ask(request)).toThrow(expect.objectContaining({ code }));
    expect(ask(request, client)).toBe(request);
  });

  it("is refused to one whose network is blocked, and to a container without a function", () => {
    expect(() => ask({ sandboxId: "sb-own" }, caller, { blockNetwork: true })).toThrow(/The network of the function "f" is blocked/);
    expect(() => ask({}, { ...caller, functionId: "" })).toThrow(expect.objectContaining({ code: "permission_denied" }));
  });
});

describe("what a function asks of processes in a sandbox", () => {
  it("is given no secret that the function does not have", () => {
    const { taskExecStart } = limits().restrictRouter({ taskExecStart: () => ({}) });
    const start = (request: object, from: object = { container: caller }) =>
      taskExecStart?.(request as never, { caller: { kind: "router", taskId: "ta-own", workspaceId: "ac-1", ...from } } as never);
    expect(start({ secretIds: ["st-own"], secretSources: [{ source: { case: "env", value: {} } }] })).toEqual({});
    for (const request of [{ secretIds: ["st-other"] }, { secretSources: [{ source: { case: "secretId", value: "st-other" } }] }]) {
      expect(() => start(request)).toThrow(expect.objectContaining({ code: "permission_denied" }));
      expect(start(request, {})).toEqual({});
    }
  });
});

describe("secrets, for a function", () => {
  const get = async (secretId: string, objectCreationType: ObjectCreationType) => {
    const { secretGetOrCreate } = limits().restrictSecrets({ secretGetOrCreate: () => ({ secretId }) as never });
    return secretGetOrCreate?.({ objectCreationType, environmentName: "" } as never, { caller } as never);
  };

  it("are those that it has, and new ones without a name", async () => {
    expect(await get("st-own", ObjectCreationType.UNSPECIFIED)).toEqual({ secretId: "st-own" });
    expect(await get("st-unnamed", ObjectCreationType.ANONYMOUS_OWNED_BY_APP)).toEqual({ secretId: "st-unnamed" });
    await expect(get("st-other", ObjectCreationType.UNSPECIFIED)).rejects.toThrow('does not have the secret "other" itself');
    await expect(get("st-own", ObjectCreationType.CREATE_IF_MISSING)).rejects.toMatchObject({ code: "permission_denied" });
  });
});
