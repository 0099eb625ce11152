import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { formatTable, formatTime } from "../display/style.ts";
import { findAppId } from "./find.ts";

/** Versions of a deployed app, newest first. */
export async function printHistory(name: string, options: CommonOptions): Promise<void> {
  const { appDeploymentHistories: versions } = await withServer(options, async (client, { environment }) =>
    client.modal.appDeploymentHistory({ appId: await findAppId(client, environment, name) }),
  );
  const rows = versions.map(({ version, deployedAt, deployedBy, clientVersion, tag, rollbackVersion, commitInfo }) => ({
    version,
    deployed_at: deployedAt,
    deployed_by: deployedBy,
    client_version: clientVersion,
    tag,
    commit: commitInfo?.commitHash || null,
    branch: commitInfo?.branch || null,
    dirty: commitInfo?.dirty ?? null,
    rollback_of: rollbackVersion || null,
  }));
  if (options.json) return printJson(rows);
  const cells = rows.map((row) => [
    `v${row.version}`,
    formatTime(row.deployed_at),
    row.deployed_by,
    row.client_version || "-",
    row.tag || "-",
    row.commit === null ? "-" : `${row.commit.slice(0, 8)}${row.dirty ? " (changed)" : ""}`,
    row.rollback_of === null ? "-" : `of v${row.rollback_of}`,
  ]);
  process.stdout.write(formatTable(["VERSION", "DEPLOYED", "BY", "CLIENT", "TAG", "COMMIT", "ROLL-BACK"], cells));
}
