import type { App } from "../app.ts";
import { type Client, currentClient } from "../client.ts";
import { InvalidError, rethrow } from "../errors.ts";
import { showValue } from "../show-value.ts";
import { findAppId } from "./find-app.ts";
import { SandboxHandle, tagsToWire } from "./sandbox-handle.ts";
import { checkTags } from "./sandbox-options.ts";

export interface ListSandboxesOptions {
  /** Only those of this app. Default: all of the environment. */
  readonly app?: App | string;
  /** Only those that have all of these. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Default: that of the connection. */
  readonly environment?: string;
}

export interface SandboxFromNameOptions {
  /** Default: that of the connection. */
  readonly environment?: string;
  /** Also the latest of this name that has ended. Default false. */
  readonly includeTerminated?: boolean;
}

/** Those that run, newest first. */
export async function* listSandboxes({
  app,
  tags = {},
  environment: named,
}: ListSandboxesOptions): AsyncGenerator<SandboxHandle, void, undefined> {
  checkTags(tags);
  const client = currentClient();
  const environment = named ?? client.environment;
  const appId = app === undefined ? "" : await findAppId(client, environment, app, false);
  for (let beforeTimestamp = 0; ; ) {
    const { sandboxes } = await client.modal
      .sandboxListV2({ appId, beforeTimestamp, environmentName: appId === "" ? environment : "", tags: tagsToWire(tags) })
      .catch(rethrow);
    for (const { id, name, appId: owner, taskInfo } of sandboxes) {
      const known = { taskId: taskInfo?.id || undefined, result: taskInfo?.result };
      yield new SandboxHandle({ id, client, environment, appId: owner, name: name === "" ? undefined : name, ...known });
    }
    const last = sandboxes.at(-1);
    if (!last) return;
    beforeTimestamp = last.createdAt;
  }
}

/** Throws NotFoundError when no sandbox of the app that runs has the name. */
export async function sandboxFromName(
  appName: string,
  name: string,
  { environment: named, includeTerminated = false }: SandboxFromNameOptions,
  client: Client = currentClient(),
): Promise<SandboxHandle> {
  for (const [what, value] of Object.entries({ app: appName, sandbox: name }))
    if (typeof value !== "string" || value === "")
      throw new InvalidError(`The name of the ${what} is ${showValue(value)}; it must be a string that is not empty.`, {
        hint: 'Write for example Sandbox.fromName("agents", "worker").',
      });
  const environment = named ?? client.environment;
  const { sandboxId, metadata } = await client.modal
    .sandboxGetFromNameV2({ sandboxName: name, environmentName: environment, appName, includeTerminated })
    .catch(rethrow);
  return new SandboxHandle({ id: sandboxId, client, environment, appId: metadata?.appId, name, result: metadata?.result });
}
