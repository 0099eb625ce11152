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
  readonly network?: string;
}

/** Prints the id. */
export async function createSandbox(command: readonly string[], options: CreateOptions): Promise<void> {
  const wanted: SandboxOptions = {
    ...fromFlags(options),
    command,
    tags: pairs(options.tag, "--tag"),
    ports: { tls: (options.port ?? []).map((port) => number(port, "--port")) },
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.idleTimeout === undefined ? {} : { idleTimeout: options.idleTimeout as Duration }),
    ...(options.network === undefined ? {} : { network: options.network as "open" }),
  };
  const made = await withServer(options, async (client, { environment }) => {
    const appId = await findAppId(client, environment, options.app, true);
    const { id, name, execPlace } = await createSandboxIn({ client, environment, appId }, wanted);
    return { sandbox_id: id, container_id: await execPlace.router.taskId(), app_id: appId, name: name ?? null };
  });
  if (options.json) printJson(made);
  else process.stdout.write(`${made.sandbox_id}\n`);
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
