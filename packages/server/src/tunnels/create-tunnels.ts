import { join } from "node:path";
import { loadKey } from "../key-file.ts";
import { CertificateFiles, type Certificates } from "./certificates.ts";
import { ConnectProxy } from "./connect-proxy.ts";
import { ConnectTokens } from "./connect-tokens.ts";
import { Entrances } from "./entrances.ts";
import { TunnelNames } from "./names.ts";
import { OwnAuthority } from "./own-authority.ts";
import { Places } from "./places.ts";
import type { TunnelSettings } from "./settings.ts";
import { Tunnels } from "./tunnels.ts";

export interface TunnelParts {
  readonly tunnels: Tunnels;
  readonly connectTokens: ConnectTokens;
  readonly certificates: Certificates;
}

/** Nothing listens yet. */
export async function createTunnels(settings: TunnelSettings, dataDir: string, now: () => number): Promise<TunnelParts> {
  const key = await loadKey(
    join(dataDir, "tunnels.key"),
    "Remove it: a new one is made at the next start; tunnels get other names, and connect tokens given out stop working.",
  );
  const { certificate, key: certificateKey } = settings;
  const certificates =
    certificate !== undefined && certificateKey !== undefined
      ? new CertificateFiles(certificate, certificateKey, now)
      : new OwnAuthority({ path: join(dataDir, "tunnels-authority.json"), domain: domainOf(settings), now });
  const connectTokens = new ConnectTokens(key);
  const proxy = new ConnectProxy(connectTokens);
  const entrances = new Entrances({ settings, places: new Places(settings, new TunnelNames(key)), certificates });
  const tunnels = new Tunnels({ entrances, serveHttp: (socket, owner, visitors) => proxy.serve(socket, owner, visitors) });
  return { tunnels, connectTokens, certificates };
}

const domainOf = ({ domain, host }: TunnelSettings): string | undefined => domain?.replace(/^\*\./, "") ?? host;
