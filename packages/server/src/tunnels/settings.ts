// Where tunnels are reached: what the configuration may say, and what follows from it.
import { isIP } from "node:net";
import { z } from "zod";

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
/** Leaves room for the label of a tunnel. */
const DOMAIN = new RegExp(`^(?=.{1,200}$)(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`);
const DEFAULT_PORTS = { from: 20_000, to: 29_999 };
const UNSPECIFIED: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

const port = z.number().int().min(1).max(65_535);

export const tunnelsSchema = z
  .object({
    /**
     * What clients call this machine. "*.tunnels.example.com" when every name below leads here: then each tunnel gets one. Else one name,
     * or an address. Absent: each container gets a loopback address of its own, so that only this machine reaches its tunnels.
     */
    domain: z
      .string()
      .toLowerCase()
      .refine((text) => DOMAIN.test(text) || isIP(text) > 0, 'this is neither a name nor "*." and a name nor an address')
      .optional(),
    /** IP address to listen on. Default 127.0.0.1. */
    host: z
      .string()
      .refine((text) => isIP(text) > 0, "this is no IP address")
      .optional(),
    /** Where TLS is taken for all names below `domain`. Default: one of `ports`, the same after each start if it is free. */
    port: port.optional(),
    /** The port in the URLs of such tunnels, when something before the server passes its connections on. */
    publicPort: port.optional(),
    /** What other tunnels listen on, each on its own. */
    ports: z
      .object({ from: port, to: port })
      .refine(({ from, to }) => from <= to, "the first of these ports is above the last")
      .default(DEFAULT_PORTS),
    /** PEM files for `domain`, read again when they change. Default: an authority of the server's own vouches. */
    certificate: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
  })
  .superRefine(({ domain, host, port: tlsPort, publicPort, certificate, key }, { addIssue }) => {
    const wrong = (path: string, message: string) => addIssue({ code: "custom", path: [path], message });
    const named = domain?.startsWith("*.") === true;
    if ((certificate === undefined) !== (key === undefined)) wrong("certificate", "a certificate and its key go together");
    if (certificate !== undefined && domain === undefined) wrong("domain", "a certificate needs the domain it is for");
    if (host !== undefined && UNSPECIFIED.has(host) && domain === undefined)
      wrong("domain", `tunnels that listen on ${host} need the name by which clients reach this machine`);
    if (!named && tlsPort !== undefined) wrong("port", 'one port for all tunnels needs a domain like "*.tunnels.example.com"');
    if (!named && publicPort !== undefined) wrong("publicPort", 'this needs a domain like "*.tunnels.example.com"');
  });

export type TunnelSettings = z.output<typeof tunnelsSchema>;
export type PortRange = TunnelSettings["ports"];

/** The domain below which each tunnel has a name; undefined: they have none. */
export function namesBelow({ domain }: TunnelSettings): string | undefined {
  return domain?.startsWith("*.") ? domain.slice(2) : undefined;
}
