import { type AppListResponse_AppListItem, AppState } from "@lydian/protocol";
import type { Client } from "../../client.ts";
import { UsageError } from "../exit.ts";

type AppItem = AppListResponse_AppListItem;

const STATES: Readonly<Record<number, string>> = {
  [AppState.EPHEMERAL]: "running",
  [AppState.DETACHED]: "running (detached)",
  [AppState.DETACHED_DISCONNECTED]: "running (detached)",
  [AppState.DEPLOYED]: "deployed",
  [AppState.STOPPING]: "stopping",
  [AppState.STOPPED]: "stopped",
  [AppState.INITIALIZING]: "starting",
  [AppState.DISABLED]: "disabled",
};

export function stateName(state: AppState): string {
  return STATES[state] ?? "unknown";
}

function isLive(app: AppItem): boolean {
  return app.state !== AppState.STOPPED;
}

/** The id of an app given by id or name. A name means the deployed one, else the live one; two live ones of a name are an error that lists them. */
export async function findAppId(client: Client, environment: string, name: string): Promise<string> {
  if (/^ap-[A-Za-z0-9]{6,}$/.test(name)) return name;
  const { apps } = await client.modal.appList({ environmentName: environment });
  const deployed = apps.find((app) => app.name === name && app.state === AppState.DEPLOYED);
  if (deployed) return deployed.appId;
  const named = apps.filter((app) => app.name === name || app.description === name);
  const live = named.filter(isLive);
  const candidates = live.length > 0 ? live : named.sort((a, b) => b.stoppedAt - a.stoppedAt).slice(0, 1);
  const [only, second] = candidates;
  if (only && !second) return only.appId;
  if (only)
    throw new UsageError(
      `${candidates.length} apps are named "${name}"`,
      `Say which by its id: ${candidates.map((app) => app.appId).join(", ")}`,
    );
  const known = [...new Set(apps.filter(isLive).map((app) => app.description || app.name))].slice(0, 10).join(", ");
  throw new UsageError(
    `there is no app "${name}" in environment "${environment}"`,
    known ? `There is: ${known}` : "lydian app list shows all.",
  );
}
