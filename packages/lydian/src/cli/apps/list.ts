import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { formatTable, formatTime } from "../display/style.ts";
import { stateName } from "./find.ts";

export async function listApps(options: CommonOptions): Promise<void> {
  const { apps } = await withServer(options, (client, { environment }) => client.modal.appList({ environmentName: environment }));
  const sorted = apps.sort((a, b) => b.createdAt - a.createdAt);
  if (options.json) {
    const rows = sorted.map((app) => ({
      app_id: app.appId,
      name: app.name || app.description,
      state: stateName(app.state),
      containers: app.nRunningTasks,
      created_at: app.createdAt,
      stopped_at: app.stoppedAt || null,
    }));
    return printJson(rows);
  }
  const rows = sorted.map((app) => [
    app.appId,
    app.name || app.description || "-",
    stateName(app.state),
    String(app.nRunningTasks),
    formatTime(app.createdAt),
    formatTime(app.stoppedAt),
  ]);
  process.stdout.write(formatTable(["APP", "NAME", "STATE", "CONTAINERS", "CREATED", "STOPPED"], rows));
}
