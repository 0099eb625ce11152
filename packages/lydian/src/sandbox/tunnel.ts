import type { TunnelData } from "@lydian/protocol";

/** Where a port of a container is reached from outside. */
export interface Tunnel {
  readonly host: string;
  readonly port: number;
  /** With TLS; with the port unless that is 443. Its certificate is to be trusted: `lydian tunnel ca` prints by whom. */
  readonly url: string;
  readonly tlsSocket: readonly [host: string, port: number];
  /** Of a port that is reached without TLS too; undefined for others. */
  readonly tcpSocket: readonly [host: string, port: number] | undefined;
  /** For web servers on such a port: what any browser on the same machine opens. */
  readonly httpUrl: string | undefined;
}

/** By the port in the container. */
export function tunnelsOf(tunnels: readonly TunnelData[]): Readonly<Record<number, Tunnel>> {
  return Object.fromEntries(tunnels.map((data) => [data.containerPort, tunnelOf(data)]));
}

export function tunnelOf({
  host,
  port,
  unencryptedHost = "",
  unencryptedPort = 0,
}: Omit<TunnelData, "$typeName" | "containerPort">): Tunnel {
  const tcp = unencryptedHost === "" ? undefined : ([unencryptedHost, unencryptedPort] as const);
  return {
    host,
    port,
    url: `https://${host}${port === 443 ? "" : `:${port}`}`,
    tlsSocket: [host, port],
    tcpSocket: tcp,
    httpUrl: tcp && `http://${tcp[0]}:${tcp[1]}`,
  };
}
