import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { UsageError } from "../exit.ts";
import { findAppId } from "./find.ts";

const PREVIOUS = -1;

/** Deploys an earlier version again, as a new one. `version`: "v3" or "3"; absent: the one before the current. */
export async function rollBack(name: string, version: string | undefined, options: CommonOptions): Promise<void> {
  const number = version === undefined ? PREVIOUS : Number(version.replace(/^v/, ""));
  if (version !== undefined && !(Number.isInteger(number) && number > 0))
    throw new UsageError(`"${version}" is no version`, "Versions are v1, v2, …: lydian app history shows them.");
  const appId = await withServer(options, async (client, { environment }) => {
    const id = await findAppId(client, environment, name);
    await client.modal.appRollback({ appId: id, version: number });
    return id;
  });
  const what = version === undefined ? "the version before" : `v${number}`;
  if (options.json) printJson({ app_id: appId, rolled_back_to: version === undefined ? null : number });
  else process.stdout.write(`${appId} is what ${what} was\n`);
}
