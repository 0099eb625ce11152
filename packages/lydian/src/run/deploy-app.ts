// From a registered app to a deployed one. Until it is published, whoever calls the app gets what was deployed before.
import { AppState, type CommitInfoSchema, type MessageInitShape, AppDisconnectReason as Reason } from "@lydian/protocol";
import type { App } from "../app.ts";
import type { Client } from "../client.ts";
import { type AppContext, type CreatedFunction, createAppFunctions } from "./create-app-functions.ts";
import { sendHeartbeats } from "./follow-app.ts";

export interface DeployAppOptions extends AppContext {
  readonly name: string;
  /** For people who read the history. */
  readonly tag: string;
  readonly commit: MessageInitShape<typeof CommitInfoSchema> | undefined;
}

export interface DeployedApp {
  readonly appId: string;
  readonly version: number;
  readonly functions: readonly CreatedFunction[];
}

/** Resolves when the new version is the one that is called. When anything fails before, nothing of the former deployment has changed. */
export async function deployApp(app: App, options: DeployAppOptions): Promise<DeployedApp> {
  const { client, name, tag, commit, signal, onEvent } = options;
  const { appId, existing } = await findOrCreate(app, options);
  onEvent({ type: "app-created", appId });
  const ended = new AbortController();
  void sendHeartbeats(client, appId, ended.signal);
  try {
    const functions = await createAppFunctions(app, { ...options, appId, appName: name, existing });
    await client.modal.appPublish(
      {
        appId,
        name,
        deploymentTag: tag,
        appState: AppState.DEPLOYED,
        functionIds: Object.fromEntries(functions.map((fn) => [fn.name, fn.id])),
        definitionIds: Object.fromEntries(functions.map((fn) => [fn.id, fn.definitionId])),
        tags: tagsOf(app),
        ...(commit && { commitInfo: commit }),
      },
      signal ? { signal } : {},
    );
    onEvent({ type: "published" });
    const { productionAppVersion } = await client.modal.appDeploymentHistory({ appId });
    return { appId, version: productionAppVersion, functions };
  } catch (error) {
    const exception = (error instanceof Error ? error.message : String(error)).slice(0, 1_000);
    // Ends an app that is not deployed yet; one that is stays as it is.
    await client.modal
      .appClientDisconnect({ appId, reason: Reason.DEPLOYMENT_EXCEPTION, exception }, { timeoutMs: 10_000 })
      .catch(() => undefined);
    throw error;
  } finally {
    ended.abort();
  }
}

async function findOrCreate(app: App, { client, environment, name, signal }: DeployAppOptions) {
  const options = signal ? { signal } : {};
  const known = await client.modal.appGetByDeploymentName({ name, environmentName: environment }, options);
  if (known.appId !== "") return { appId: known.appId, existing: await functionIds(client, known.appId, options) };
  const { appId } = await client.modal.appCreate(
    { description: name, environmentName: environment, appState: AppState.INITIALIZING, tags: tagsOf(app) },
    options,
  );
  return { appId, existing: {} };
}

async function functionIds(client: Client, appId: string, options: { readonly signal?: AbortSignal }): Promise<Record<string, string>> {
  const { appLayout } = await client.modal.appGetLayout({ appId }, options);
  return appLayout?.functionIds ?? {};
}

const tagsOf = (app: App): Record<string, string> => ({ ...(app.options.tags as Record<string, string> | undefined) });
