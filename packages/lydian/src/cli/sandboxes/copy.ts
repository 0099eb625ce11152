import { sandboxFromId } from "../../sandbox/sandbox-handle.ts";
import type { CommonOptions } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { UsageError } from "../exit.ts";

const IN_SANDBOX = /^(sb-[0-9A-Za-z]+):(.*)$/s;

/** One of the two is in a sandbox. */
export async function copy(from: string, to: string, flags: CommonOptions): Promise<void> {
  const [source, target] = [IN_SANDBOX.exec(from), IN_SANDBOX.exec(to)];
  if ((source === null) === (target === null))
    throw new UsageError("one of the two must be in a sandbox, and the other one here", "lydian sandbox cp main.py sb-…:/work/main.py");
  const [, id = "", path = ""] = source ?? target ?? [];
  await withServer(flags, async (client) => {
    const { filesystem } = await sandboxFromId(id, client);
    await (source ? filesystem.copyToLocal(path, to) : filesystem.copyFromLocal(from, path));
  });
}
