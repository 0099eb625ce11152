import { listSecrets } from "../../secrets/named.ts";
import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { formatTable, formatTime } from "../display/style.ts";

export async function list(options: CommonOptions): Promise<void> {
  const secrets = await withServer(options, (client) => listSecrets(client));
  if (options.json) {
    const rows = secrets.map((it) => ({
      name: it.name,
      keys: it.keys,
      created_at: seconds(it.createdAt),
      last_used_at: seconds(it.lastUsedAt) || null,
    }));
    return printJson(rows);
  }
  const rows = secrets.map((it) => [it.name, it.keys.join(" "), formatTime(seconds(it.createdAt)), formatTime(seconds(it.lastUsedAt))]);
  process.stdout.write(formatTable(["SECRET", "VARIABLES", "CREATED", "LAST USED"], rows));
}

const seconds = (time: Date | undefined) => (time?.getTime() ?? 0) / 1000;
