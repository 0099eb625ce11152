import type { MessageInitShape, SandboxSchema } from "@lydian/protocol";
import { type Client, currentClient } from "../client.ts";
import { rethrow } from "../errors.ts";
import { findSession } from "../session.ts";
import { findAppId } from "./find-app.ts";
import { networkAccess } from "./network-policy.ts";
import { forgetImage, prepareImage } from "./prepare-image.ts";
import { ptyInfo } from "./pty.ts";
import { SandboxHandle, tagsToWire } from "./sandbox-handle.ts";
import { resolveSandboxOptions, type SandboxOptions } from "./sandbox-options.ts";
import { secretSources } from "./secret-sources.ts";

/** For commands: which server, which app, and files that come on top of the image's. */
export interface CreateContext {
  readonly client: Client;
  readonly environment: string;
  readonly appId: string;
  readonly mountIds?: readonly string[];
}

export async function createSandbox(options: SandboxOptions): Promise<SandboxHandle> {
  resolveSandboxOptions(options);
  const client = currentClient();
  const environment = findSession()?.environment ?? client.environment;
  const appId = await findAppId(client, environment, options.app, true);
  return createSandboxIn({ client, environment, appId }, options);
}

/** Resolves when it has a container. */
export async function createSandboxIn(context: CreateContext, options: SandboxOptions): Promise<SandboxHandle> {
  const { client, environment, appId, mountIds: others = [] } = context;
  const resolved = resolveSandboxOptions(options);
  const { image, command, timeoutSeconds, idleTimeoutSeconds, workdir, resources, ports, probe, pty } = resolved;
  const { name, tags = {}, onDispose } = options;
  const sources = await secretSources(client, environment, options.secrets, options.env);
  const create = async () => {
    const { imageId, mountIds } = await prepareImage(image, { client, appId, environment });
    const definition: MessageInitShape<typeof SandboxSchema> = {
      entrypointArgs: command,
      imageId,
      mountIds: [...mountIds, ...others],
      // Named ones once more, for whoever lists what uses them.
      secretIds: sources.flatMap(({ source }) => (source?.case === "secretId" ? [source.value as string] : [])),
      resources,
      timeoutSecs: timeoutSeconds,
      idleTimeoutSecs: idleTimeoutSeconds,
      workdir,
      ptyInfo: pty && ptyInfo(pty),
      openPortsOneof: { case: "openPorts", value: { ports } },
      networkAccess: networkAccess(options.network),
      inboundCidrAllowlist: [...(options.inboundCidrs ?? [])],
      runtime: options.runtime,
      verbose: options.verbose === true,
      name,
      readinessProbe: probe,
    };
    return client.modal.sandboxCreateV2({ appId, definition, tags: tagsToWire(tags), secretSources: sources });
  };
  const created = await create()
    .catch((error: unknown) => (forgetImage(image, client, error) ? create() : Promise.reject(error)))
    .catch(rethrow);
  const { sandboxId: id, taskId, commandRouterAccess } = created;
  return new SandboxHandle({
    id,
    client,
    environment,
    appId,
    name,
    taskId: taskId === "" ? undefined : taskId,
    jwt: commandRouterAccess?.jwt,
    onDispose,
  });
}
