// From a registered app to a running one.
import { AppState, AppDisconnectReason as Reason } from "@lydian/protocol";
import type { App } from "../app.ts";
import { useClient } from "../client.ts";
import { findSession, setSession } from "../session.ts";
import { type AppContext, createAppFunctions } from "./create-app-functions.ts";
import { followLogs, sendHeartbeats, watchPools } from "./follow-app.ts";

export type { RunEvent } from "./events.ts";

export type StopReason = "completed" | "local_exception" | "interrupted";

export interface RunningApp {
  readonly appId: string;
  readonly functionIds: Readonly<Record<string, string>>;
  /** Ends the app; resolves when its last log line was told, or after a bound. */
  stop(reason: StopReason, exception?: string): Promise<void>;
}

const REASONS: Readonly<Record<StopReason, Reason>> = {
  completed: Reason.ENTRYPOINT_COMPLETED,
  local_exception: Reason.LOCAL_EXCEPTION,
  interrupted: Reason.KEYBOARD_INTERRUPT,
};
const LAST_LINES_MS = 15_000;
const DEFAULT_NAME = "app";

/** Makes the app, its images and its functions, and makes handles callable. When anything fails, the app is ended again. */
export async function startApp(app: App, options: AppContext): Promise<RunningApp> {
  const { client, environment, signal, onEvent } = options;
  const description = app.name ?? DEFAULT_NAME;
  const { appId } = await client.modal.appCreate(
    {
      description,
      environmentName: environment,
      appState: AppState.EPHEMERAL,
      tags: { ...(app.options.tags as Record<string, string> | undefined) },
    },
    signal ? { signal } : {},
  );
  onEvent({ type: "app-created", appId });
  const ended = new AbortController();
  void sendHeartbeats(client, appId, ended.signal);
  const disconnect = (reason: Reason, exception = "") =>
    client.modal.appClientDisconnect({ appId, reason, exception: exception.slice(0, 1_000) }, { timeoutMs: 10_000 });
  try {
    const created = await createAppFunctions(app, { ...options, appId, appName: description });
    const functionIds = Object.fromEntries(created.map(({ name, id }) => [name, id]));
    await client.modal.appPublish({ appId, appState: AppState.EPHEMERAL, functionIds }, signal ? { signal } : {});
    onEvent({ type: "published" });
    const logs = followLogs(client, appId, onEvent, ended.signal);
    void watchPools(client, appId, onEvent, ended.signal);
    useClient(client);
    setSession({ serverUrl: client.serverUrl, environment, appId, functionIds, ...(client.token ? { token: client.token } : {}) });
    return {
      appId,
      functionIds,
      async stop(reason, exception) {
        if (findSession()?.appId === appId) setSession(undefined);
        try {
          await disconnect(REASONS[reason], exception);
          await within(logs, LAST_LINES_MS);
        } finally {
          ended.abort();
        }
      },
    };
  } catch (error) {
    ended.abort();
    await disconnect(Reason.DEPLOYMENT_EXCEPTION, error instanceof Error ? error.message : String(error)).catch(() => undefined);
    throw error;
  }
}

function within(promise: Promise<unknown>, limitMs: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}
