// From a registered app to a deployed one: it stays when this program ends, and is called by its name.
import { type AppLayout, AppState, type CommitInfoSchema, type MessageInitShape, AppDisconnectReason as Reason } from "@lydian/protocol";
import type { App } from "../app.ts";
import { InvalidError } from "../errors.ts";
import { createClasses } from "./create-classes.ts";
import { sendHeartbeats } from "./follow-app.ts";
import { createFunctions, type StartAppOptions } from "./start-app.ts";

export interface DeployAppOptions extends StartAppOptions {
  /** Default: the app's own. */
  readonly name?: string | undefined;
  /** A mark of the version, for people. */
  readonly tag?: string | undefined;
  /** Of the source tree, for people who read the history. */
  readonly commit?: MessageInitShape<typeof CommitInfoSchema> | undefined;
}

export interface DeployedApp {
  readonly appId: string;
  readonly name: string;
  readonly version: number;
  /** A page about the app; empty when the server is not reached over TCP. */
  readonly url: string;
  /** Names of what can be called. */
  readonly functions: readonly string[];
}

/**
 * Makes a new version of the app of this name, or its first one. Until all of it is there, and when anything fails, the version before
 * is what is called.
 */
export async function deployApp(app: App, options: DeployAppOptions): Promise<DeployedApp> {
  const { client, environment, signal, onEvent, tag = "", commit } = options;
  const name = options.name ?? app.name;
  if (name === undefined)
    throw new InvalidError("The app has no name to deploy it under.", {
      hint: 'Give it one: new App("name"), or lydian deploy --name NAME.',
    });
  const withSignal = signal ? { signal } : {};
  const deployed = await client.modal.appGetByDeploymentName({ name, environmentName: environment }, withSignal);
  const existing = deployed.appId === "" ? { functionIds: {}, classIds: {} } : await layoutOf(options, deployed.appId);
  const appId = deployed.appId || (await create(app, name, options));
  onEvent({ type: "app-created", appId });
  const ended = new AbortController();
  void sendHeartbeats(client, appId, ended.signal);
  try {
    const { functionIds, definitionIds } = await createFunctions(app, appId, name, options, existing.functionIds);
    const classIds = await createClasses(app, appId, options, existing.classIds);
    const tags = { ...(app.options.tags as Record<string, string> | undefined) };
    const version = { name, deploymentTag: tag, tags, functionIds, definitionIds, classIds, ...(commit && { commitInfo: commit }) };
    const { url } = await client.modal.appPublish({ appId, appState: AppState.DEPLOYED, ...version }, withSignal);
    onEvent({ type: "published" });
    const { productionAppVersion } = await client.modal.appDeploymentHistory({ appId });
    return { appId, name, version: productionAppVersion, url, functions: Object.keys(functionIds).sort() };
  } catch (error) {
    const exception = (error instanceof Error ? error.message : String(error)).slice(0, 1_000);
    // Of an app that is deployed already, nothing has changed: the server leaves it alone.
    const leave = { appId, reason: Reason.DEPLOYMENT_EXCEPTION, exception };
    await client.modal.appClientDisconnect(leave, { timeoutMs: 10_000 }).catch(() => undefined);
    throw error;
  } finally {
    ended.abort();
  }
}

async function create(app: App, description: string, { client, environment, signal }: DeployAppOptions): Promise<string> {
  const tags = { ...(app.options.tags as Record<string, string> | undefined) };
  const asked = { description, environmentName: environment, appState: AppState.INITIALIZING, tags };
  return (await client.modal.appCreate(asked, signal ? { signal } : {})).appId;
}

/** Functions and classes keep their ids from version to version. */
async function layoutOf({ client, signal }: DeployAppOptions, appId: string): Promise<Pick<AppLayout, "functionIds" | "classIds">> {
  const { appLayout } = await client.modal.appGetLayout({ appId }, signal ? { signal } : {});
  return appLayout ?? { functionIds: {}, classIds: {} };
}
