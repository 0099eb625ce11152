import { sandboxFromId } from "../../sandbox/sandbox-handle.ts";
import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";

/** Resolves when all of them are gone. */
export async function terminate(ids: readonly string[], options: CommonOptions): Promise<void> {
  const codes = await withServer(options, (client) =>
    Promise.all(ids.map(async (id) => (await sandboxFromId(id, client)).terminate({ wait: true }))),
  );
  if (options.json) printJson(ids.map((id, index) => ({ sandbox_id: id, exit_code: codes[index] })));
  else process.stdout.write(ids.map((id) => `${id} is terminated\n`).join(""));
}
