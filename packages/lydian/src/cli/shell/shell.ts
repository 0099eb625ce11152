// `lydian shell`: a terminal in a container that runs, or in one that is made for it.
import { setTimeout as sleep } from "node:timers/promises";
import { AppState, AppDisconnectReason as Reason } from "@lydian/protocol";
import type { Client } from "../../client.ts";
import { sendHeartbeats } from "../../run/follow-app.ts";
import { type CreateContext, createSandboxIn } from "../../sandbox/create-sandbox.ts";
import type { SandboxOptions } from "../../sandbox/sandbox-options.ts";
import type { CommonOptions } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { type ContainerFlags, fromFlags } from "../sandboxes/create.ts";
import { pairs } from "../sandboxes/pairs.ts";
import { ANY_SHELL, findPlace, runCommand } from "../terminal/run-command.ts";
import { loadShellFunction } from "./shell-function.ts";

export interface ShellFlags extends CommonOptions, ContainerFlags {
  readonly cmd?: string;
  readonly pty?: boolean;
}

const DEFAULT_TIMEOUT = "1h";
const GOODBYE_MS = 10_000;

/** Ends with the exit code of what ran. */
export async function openShell(reference: string | undefined, flags: ShellFlags): Promise<void> {
  const argv = flags.cmd === undefined ? ANY_SHELL : ["/bin/sh", "-c", flags.cmd];
  const execution = { pty: flags.pty, workdir: flags.workdir, env: pairs(flags.env, "--env") };
  if (reference !== undefined && /^(sb-[0-9A-Za-z]+(:[^:/]+)?|ta-[0-9A-Za-z]+)$/.test(reference))
    return withServer(flags, async (client) => runCommand(await findPlace(client, reference), argv, execution));
  const own = fromFlags(flags);
  const fn = reference === undefined ? undefined : await loadShellFunction(reference);
  await withServer(flags, (client, { environment }) =>
    withEphemeralApp(client, environment, "shell", async (appId) => {
      const context: CreateContext = { client, environment, appId };
      const mountIds = await fn?.upload(client, appId);
      const options: SandboxOptions = {
        timeout: DEFAULT_TIMEOUT,
        ...fn?.options,
        ...own,
        env: { ...fn?.options.env, ...own.env },
        secrets: [...(fn?.options.secrets ?? []), ...(own.secrets ?? [])],
      };
      process.stderr.write("lydian: starting a container\n");
      await using sandbox = await createSandboxIn({ ...context, ...(mountIds && { mountIds }) }, options);
      await runCommand(sandbox.execPlace, argv, { pty: flags.pty });
    }),
  );
}

/** An app for as long as the work takes; when this program dies, the server ends it. */
async function withEphemeralApp<T>(
  client: Client,
  environmentName: string,
  description: string,
  work: (appId: string) => Promise<T>,
): Promise<T> {
  const { appId } = await client.modal.appCreate({ description, environmentName, appState: AppState.EPHEMERAL });
  const ended = new AbortController();
  void sendHeartbeats(client, appId, ended.signal);
  try {
    return await work(appId);
  } finally {
    ended.abort();
    const goodbye = client.modal.appClientDisconnect({ appId, reason: Reason.ENTRYPOINT_COMPLETED }, { timeoutMs: GOODBYE_MS });
    await Promise.race([goodbye.catch(() => undefined), sleep(GOODBYE_MS, undefined, { ref: false })]);
  }
}
