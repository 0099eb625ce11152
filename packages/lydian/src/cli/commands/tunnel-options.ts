// Flags of `lydian server` that say how ports of containers are reached from outside.
import { resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import type { ServeOptions } from "../serve/options.ts";

export interface TunnelFlags {
  readonly tunnelDomain?: string;
  readonly tunnelHost?: string;
  readonly tunnelPort?: number;
  readonly tunnelPublicPort?: number;
  readonly tunnelPorts?: { readonly from: number; readonly to: number };
  readonly tunnelCertificate?: string;
  readonly tunnelKey?: string;
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("a port is a number from 0 to 65535 (0: any free one).");
}

function parseRange(text: string): { from: number; to: number } {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  if (from !== undefined && to !== undefined) return { from: Number(from), to: Number(to) };
  throw new InvalidArgumentError('ports are written like "20000-29999".');
}

export const tunnelOptions = (): Option[] => [
  new Option(
    "--tunnel-domain <name>",
    'what clients call this machine; "*.tunnels.example.com" gives each port of a container a name (default: loopback addresses)',
  ).env("LYDIAN_TUNNEL_DOMAIN"),
  new Option("--tunnel-host <address>", "IP address on which ports of containers are reached (default: loopback)").env(
    "LYDIAN_TUNNEL_HOST",
  ),
  new Option("--tunnel-port <number>", 'where TLS is taken for all names of a "*." domain').argParser(parsePort).env("LYDIAN_TUNNEL_PORT"),
  new Option("--tunnel-public-port <number>", "the port in their URLs, when another machine passes connections on")
    .argParser(parsePort)
    .env("LYDIAN_TUNNEL_PUBLIC_PORT"),
  new Option("--tunnel-ports <from-to>", "where ports without TLS, or without names, are reached (default: 20000-29999)")
    .argParser(parseRange)
    .env("LYDIAN_TUNNEL_PORTS"),
  new Option("--tunnel-certificate <file>", "PEM file for the domain (default: an authority of the server's own)").env(
    "LYDIAN_TUNNEL_CERTIFICATE",
  ),
  new Option("--tunnel-key <file>", "its key, PEM").env("LYDIAN_TUNNEL_KEY"),
];

/** The server checks them. */
export function tunnelsOf(flags: TunnelFlags): ServeOptions["tunnels"] {
  const { tunnelCertificate, tunnelKey } = flags;
  const given = {
    domain: flags.tunnelDomain,
    host: flags.tunnelHost,
    port: flags.tunnelPort,
    publicPort: flags.tunnelPublicPort,
    ports: flags.tunnelPorts,
    certificate: tunnelCertificate === undefined ? undefined : resolve(tunnelCertificate),
    key: tunnelKey === undefined ? undefined : resolve(tunnelKey),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
