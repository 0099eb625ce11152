import type { Duration } from "../../duration.ts";
import { Image } from "../../image/image.ts";
import { createSandboxIn } from "../../sandbox/create-sandbox.ts";
import { findAppId } from "../../sandbox/find-app.ts";
import type { SandboxOptions } from "../../sandbox/sandbox-options.ts";
import { Secret } from "../../secret.ts";
import type { Size } from "../../size.ts";
import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { UsageError } from "../exit.ts";
import { pairs } from "./pairs.ts";
import { tunnelsToJson } from "./tunnels.ts";

/** Flags that say what a sandbox is made of. */
export interface ContainerFlags {
  readonly image?: string;
  readonly env?: readonly string[];
  readonly secret?: readonly string[];
  readonly cpu?: string;
  readonly memory?: string;
  readonly gpu?: string;
  readonly workdir?: string;
  readonly timeout?: string;
}

export interface CreateOptions extends CommonOptions, ContainerFlags {
  readonly app: string;
  readonly name?: string;
  readonly tag?: readonly string[];
  readonly idleTimeout?: string;
  readonly port?: readonly string[];
  readonly h2Port?: readonly string[];
  readonly tcpPort?: readonly string[];
  readonly network?: string;
  readonly allowDomain?: readonly string[];
  readonly allowCidr?: readonly string[];
}

/** So long a command may take to start: its container has to be made. */
const START_TIMEOUT = "2m";

/** Prints the id when it runs, and where its ports are reached. Throws when its command cannot be started. */
export async function createSandbox(command: readonly string[], options: CreateOptions): Promise<void> {
  const wantsPorts = [options.port, options.h2Port, options.tcpPort].some((ports) => ports !== undefined);
  const wanted: SandboxOptions = {
    ...fromFlags(options),
    command,
    tags: pairs(options.tag, "--tag"),
    ports: {
      tls: (options.port ?? []).map((port) => number(port, "--port")),
      h2: (options.h2Port ?? []).map((port) => number(port, "--h2-port")),
      tcp: (options.tcpPort ?? []).map((port) => number(port, "--tcp-port")),
    },
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.idleTimeout === undefined ? {} : { idleTimeout: options.idleTimeout as Duration }),
    ...networkOf(options),
  };
  const made = await withServer(options, async (client, { environment }) => {
    const appId = await findAppId(client, environment, options.app, true);
    const sandbox = await createSandboxIn({ client, environment, appId }, wanted);
    await sandbox.waitUntilReady({ timeout: START_TIMEOUT });
    const { id, name, execPlace } = sandbox;
    const tunnels = wantsPorts ? await sandbox.tunnels() : {};
    const container = await execPlace.router.taskId();
    return { sandbox_id: id, container_id: container, app_id: appId, name: name ?? null, tunnels: tunnelsToJson(tunnels) };
  });
  if (options.json) return printJson(made);
  process.stdout.write(`${made.sandbox_id}\n`);
  // Apart from the id, which programs read.
  for (const { port, url, tcp } of made.tunnels)
    process.stderr.write(`port ${port}: ${url}${tcp === null ? "" : `, without TLS ${tcp}`}\n`);
}

function networkOf({ network, allowDomain: domains = [], allowCidr: cidrs = [] }: CreateOptions): Pick<SandboxOptions, "network"> {
  if (domains.length + cidrs.length === 0) return network === undefined ? {} : { network: network as "open" };
  if (network === undefined) return { network: { domains, cidrs } };
  throw new UsageError("--network goes without --allow-domain and --allow-cidr", "What is listed is all that can be reached.");
}

/** What the SDK's options are for these; it checks them. `im-…` is an image of the server, anything else one of a registry. */
export function fromFlags({ image, env, secret, cpu, memory, gpu, workdir, timeout }: ContainerFlags): SandboxOptions {
  return {
    env: pairs(env, "--env"),
    secrets: (secret ?? []).map((name) => Secret.fromName(name)),
    ...(image === undefined ? {} : { image: image.startsWith("im-") ? Image.fromId(image) : Image.fromRegistry(image) }),
    ...(cpu === undefined ? {} : { cpu: number(cpu, "--cpu") }),
    ...(memory === undefined ? {} : { memory: (/^\d+$/.test(memory) ? Number(memory) : memory) as Size }),
    ...(gpu === undefined ? {} : { gpu }),
    ...(workdir === undefined ? {} : { workdir }),
    ...(timeout === undefined ? {} : { timeout: timeout as Duration }),
  };
}

function number(text: string, what: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new UsageError(`${what} takes a number, not "${text}"`);
}
