import { sandboxFromId } from "../../sandbox/sandbox-handle.ts";
import type { Tunnel } from "../../sandbox/tunnel.ts";
import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { formatTable } from "../display/style.ts";

/** Where the ports of a sandbox are reached. */
export async function listTunnels(id: string, options: CommonOptions): Promise<void> {
  const tunnels = await withServer(options, async (client) => (await sandboxFromId(id, client)).tunnels());
  if (options.json) return printJson(tunnelsToJson(tunnels));
  const rows = Object.entries(tunnels).map(([port, { url, tcpSocket }]) => [port, url, tcpSocket?.join(":") ?? "-"]);
  process.stdout.write(formatTable(["PORT", "URL", "WITHOUT TLS"], rows));
}

export const tunnelsToJson = (tunnels: Readonly<Record<number, Tunnel>>) =>
  Object.entries(tunnels).map(([port, { url, host, port: outside, tcpSocket }]) => ({
    port: Number(port),
    url,
    host,
    tls_port: outside,
    tcp: tcpSocket?.join(":") ?? null,
  }));
