import { AppState, AppDisconnectReason as Reason, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { afterEach, beforeEach, expect, it } from "vitest";
import { App } from "../app.ts";
import { startTestServer, type TestServer } from "../test-server.ts";
import { deployApp } from "./deploy-app.ts";

let server: TestServer;
let requests: (readonly [string, unknown])[] = [];
let deployedId = "";
let publishing = () => ({});
beforeEach(async () => {
  [requests, deployedId, publishing] = [[], "", () => ({})];
  const note = (name: string, request: unknown) => requests.push([name, request]);
  server = await startTestServer({
    modal: {
      appGetByDeploymentName: () => ({ appId: deployedId }),
      appGetLayout: () => ({ appLayout: { functionIds: { work: "fu-before", gone: "fu-gone" } } }),
      appCreate(request) {
        note("create", request);
        return { appId: "ap-new" };
      },
      appHeartbeat: () => ({}),
      imageGetOrCreate: () => ({ imageId: "im-1", result: { status: Status.SUCCESS } }),
      mountBatchedCheckExistence: () => ({}),
      mountGetOrCreate: () => ({ mountId: "mo-1" }),
      functionCreate(request) {
        note("function", request);
        return { functionId: request.existingFunctionId || "fu-new", handleMetadata: { definitionId: "de-1" } };
      },
      appPublish(request) {
        note("publish", request);
        return publishing();
      },
      appDeploymentHistory: () => ({ productionAppVersion: 4 }),
      appClientDisconnect(request) {
        note("disconnect", request);
        return {};
      },
    },
  });
});
afterEach(() => server[Symbol.asyncDispose]());

function deploy() {
  const app = new App("shop", { tags: { team: "a" } });
  app.function({ name: "work" }, async () => 1);
  const bundle = { files: new Map(), hash: "", entry: "/app/main.mjs", nativePackages: {}, sources: [], warnings: [] } as const;
  const context = { client: server.client, environment: "main", bundle, onEvent: () => undefined };
  return deployApp(app, { ...context, tag: "v1" });
}
const sent = (name: string) => requests.filter(([each]) => each === name).map(([, request]) => request);

it("makes an app that is only beginning, and publishes it with the definitions that it made", async () => {
  expect(await deploy()).toMatchObject({ appId: "ap-new", name: "shop", version: 4, functions: ["work"] });
  expect(sent("create")).toMatchObject([{ description: "shop", appState: AppState.INITIALIZING, tags: { team: "a" } }]);
  expect(sent("publish")).toMatchObject([
    {
      appId: "ap-new",
      name: "shop",
      appState: AppState.DEPLOYED,
      deploymentTag: "v1",
      functionIds: { work: "fu-new" },
      definitionIds: { "fu-new": "de-1" },
    },
  ]);
});

it("keeps the app and the ids of functions that stay, and leaves out those that are gone", async () => {
  deployedId = "ap-old";
  await deploy();
  expect(sent("create")).toEqual([]);
  expect(sent("function")).toMatchObject([{ appId: "ap-old", existingFunctionId: "fu-before" }]);
  expect(sent("publish")).toMatchObject([{ appId: "ap-old", functionIds: { work: "fu-before" } }]);
});

it("says that it gives up when publishing fails, and why", async () => {
  publishing = () => {
    throw new Error("no");
  };
  await expect(deploy()).rejects.toThrow();
  expect(sent("disconnect")).toMatchObject([{ appId: "ap-new", reason: Reason.DEPLOYMENT_EXCEPTION }]);
});
