import type { TunnelData } from "@lydian/protocol";

/** Where a port of a sandbox is reached from outside. */
export interface Tunnel {
  readonly host: string;
  readonly port: number;
  /** With the port unless that is 443. */
  readonly url: string;
  readonly tlsSocket: readonly [host: string, port: number];
  /** Of a port without TLS; undefined for others. */
  readonly tcpSocket: readonly [host: string, port: number] | undefined;
}

/** By the port in the container. */
export function tunnelsOf(tunnels: readonly TunnelData[]): Readonly<Record<number, Tunnel>> {
  return Object.fromEntries(
    tunnels.map(({ host, port, unencryptedHost = "", unencryptedPort = 0, containerPort }) => [
      containerPort,
      {
        host,
        port,
        url: `https://${host}${port === 443 ? "" : `:${port}`}`,
        tlsSocket: [host, port] as const,
        tcpSocket: unencryptedHost === "" ? undefined : ([unencryptedHost, unencryptedPort] as const),
      },
    ]),
  );
}
