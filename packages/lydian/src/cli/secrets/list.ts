import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { formatTable, formatTime } from "../display/style.ts";

const PAGE = 100;

export async function listSecrets(options: CommonOptions): Promise<void> {
  const secrets = await withServer(options, async (client, { environment }) => {
    const all = [];
    for (let createdBefore = 0; ; ) {
      const pagination = { maxObjects: PAGE, createdBefore };
      const { items } = await client.modal.secretList({ environmentName: environment, pagination });
      all.push(...items);
      createdBefore = items.at(-1)?.createdAt ?? 0;
      if (items.length < PAGE) return all;
    }
  });
  if (options.json) {
    const rows = secrets.map((it) => ({
      name: it.label,
      keys: it.metadata?.keys ?? [],
      created_at: it.createdAt,
      last_used_at: it.lastUsedAt || null,
    }));
    return printJson(rows);
  }
  const rows = secrets.map((it) => [it.label, (it.metadata?.keys ?? []).join(" "), formatTime(it.createdAt), formatTime(it.lastUsedAt)]);
  process.stdout.write(formatTable(["SECRET", "VARIABLES", "CREATED", "LAST USED"], rows));
}
