import { Client } from "../client.ts";
import { configuredTarget, type Target } from "../config/target.ts";

export interface ConnectedOptions {
  /** `-e`. */
  readonly environment?: string | undefined;
  /** Told what takes time; default: a line on stderr. */
  readonly onStatus?: (text: string) => void;
}

/** The server that commands mean: the configured one, else the embedded one, which is started when it does not run. */
export async function findTarget(options: ConnectedOptions): Promise<Target> {
  const { server, environment } = configuredTarget(options.environment);
  if (server) return { ...server, environment };
  const { embeddedServer } = await import("./embedded/embedded-server.ts");
  const onStatus = options.onStatus ?? ((text: string) => process.stderr.write(`lydian: ${text}\n`));
  return { ...(await embeddedServer({ onStatus })), environment };
}

/** Connects, runs `work`, disconnects. */
export async function withServer<T>(options: ConnectedOptions, work: (client: Client, target: Target) => Promise<T>): Promise<T> {
  const target = await findTarget(options);
  const { serverUrl, token, environment } = target;
  const client = Client.connect({ serverUrl, token, environment });
  try {
    return await work(client, target);
  } finally {
    await client.close();
  }
}
