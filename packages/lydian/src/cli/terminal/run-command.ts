// A command in a container, from this terminal.
import type { Client } from "../../client.ts";
import { ContainerProcess, type ExecPlace } from "../../sandbox/process.ts";
import { CommandRouter } from "../../sandbox/router.ts";
import { ExecTimeoutError } from "../../sandbox/sandbox-errors.ts";
import { sandboxFromId } from "../../sandbox/sandbox-handle.ts";
import { secretSources } from "../../sandbox/secret-sources.ts";
import type { Variables } from "../../secret.ts";
import { ExitError, UsageError } from "../exit.ts";
import { attach, terminalSize } from "./attach.ts";

export interface RunCommandOptions {
  /** Undefined: as this one has a terminal or not. */
  readonly pty?: boolean | undefined;
  readonly workdir?: string | undefined;
  readonly env?: Variables | undefined;
  readonly timeoutMs?: number | undefined;
}

/** A shell that is there: bash, else sh. */
export const ANY_SHELL = ["/bin/sh", "-c", "if [ -x /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi"] as const;

const CODE_OF_TIMEOUT = 124;
/** What the sandbox's own container is called. */
const MAIN = "main";

/** Throws ExitError with the command's code unless that is 0. */
export async function runCommand(
  place: ExecPlace,
  argv: readonly string[],
  { pty, workdir, env, timeoutMs }: RunCommandOptions,
): Promise<void> {
  const size = terminalSize(process, pty);
  const remote = new ContainerProcess<Uint8Array>(place, argv, {
    encoding: "bytes",
    ...(size && { pty: size }),
    ...(workdir === undefined ? {} : { workdir }),
    ...(env && { env }),
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
  });
  // What cannot be started is told before the terminal is another one.
  await remote.started();
  let code: number;
  try {
    code = await attach(remote, process, size !== undefined);
  } catch (error) {
    if (!(error instanceof ExecTimeoutError)) throw error;
    process.stderr.write(`lydian: ${error.message}\n`);
    code = CODE_OF_TIMEOUT;
  }
  if (code !== 0) throw new ExitError(code);
}

/** Of a sandbox (sb-…), a further container of one (sb-…:NAME) or a container (ta-…). Throws UsageError for what is none, NotFoundError when there is none. */
export async function findPlace(client: Client, id: string): Promise<ExecPlace> {
  const [, sandboxId = "", name = MAIN] = /^(sb-[0-9A-Za-z]+):(.+)$/.exec(id) ?? [];
  if (name !== MAIN) return (await (await sandboxFromId(sandboxId, client)).containers.get(name)).execPlace;
  if (sandboxId !== "") return findPlace(client, sandboxId);
  if (id.startsWith("sb-")) return (await sandboxFromId(id, client)).execPlace;
  if (!/^ta-[0-9A-Za-z]+$/.test(id))
    throw new UsageError(`"${id}" is no id of a sandbox or a container`, "lydian sandbox list and lydian container list show them.");
  return {
    router: new CommandRouter({
      client,
      taskId: async () => id,
      access: () => client.modal.taskGetCommandRouterAccess({ taskId: id }),
    }),
    containerId: "",
    what: `container ${id}`,
    secretSources: (secrets, env) => secretSources(client, client.environment, secrets, env),
  };
}
