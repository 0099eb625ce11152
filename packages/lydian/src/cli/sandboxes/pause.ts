import { type SandboxHandle, sandboxFromId } from "../../sandbox/sandbox-handle.ts";
import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";

/** Freezes them until somebody needs them. */
export const pause = (ids: readonly string[], options: CommonOptions): Promise<void> =>
  withEach(ids, options, (sandbox) => sandbox.pause(), "paused");

/** Lets them go on. */
export const resume = (ids: readonly string[], options: CommonOptions): Promise<void> =>
  withEach(ids, options, (sandbox) => sandbox.resume(), "running");

async function withEach(
  ids: readonly string[],
  options: CommonOptions,
  change: (sandbox: SandboxHandle) => Promise<void>,
  state: string,
): Promise<void> {
  await withServer(options, (client) => Promise.all(ids.map(async (id) => change(await sandboxFromId(id, client)))));
  if (options.json) printJson(ids.map((id) => ({ sandbox_id: id, state })));
  else process.stdout.write(ids.map((id) => `${id} is ${state}\n`).join(""));
}
