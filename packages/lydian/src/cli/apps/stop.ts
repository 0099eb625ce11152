import { AppStopSource } from "@lydian/protocol";
import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { findAppId } from "./find.ts";

export async function stopApp(name: string, options: CommonOptions): Promise<void> {
  const appId = await withServer(options, async (client, { environment }) => {
    const id = await findAppId(client, environment, name);
    await client.modal.appStop({ appId: id, source: AppStopSource.CLI });
    return id;
  });
  if (options.json) printJson({ app_id: appId, stopped: true });
  else process.stdout.write(`${appId} is stopped\n`);
}
