// Where tunnels listen, and by which host clients find them.
import type { TunnelNames } from "./names.ts";
import { namesBelow, type PortRange, type TunnelSettings } from "./settings.ts";

export class Places {
  /** The domain below which each tunnel has a name. */
  readonly names: string | undefined;
  readonly ports: PortRange;
  readonly #settings: TunnelSettings;
  readonly #tunnelNames: TunnelNames;

  constructor(settings: TunnelSettings, tunnelNames: TunnelNames) {
    this.#settings = settings;
    this.#tunnelNames = tunnelNames;
    this.names = namesBelow(settings);
    this.ports = settings.ports;
  }

  /** Address to listen on for tunnels of a container. */
  listenOn(ownerId: string): string {
    const { host, domain } = this.#settings;
    return host ?? (domain === undefined ? this.#loopback(ownerId) : "127.0.0.1");
  }

  /** `what` of the container is found by this host. */
  host(ownerId: string, what: string): string {
    if (this.names !== undefined) return `${this.#tunnelNames.label(ownerId, what)}.${this.names}`;
    return this.#settings.domain ?? this.#settings.host ?? this.#loopback(ownerId);
  }

  /** Where to begin looking for a free port. */
  firstPort(what: string): number {
    return this.#tunnelNames.firstPort(what, this.ports);
  }

  /** Only on Linux all of 127.0.0.0/8 is this machine. */
  #loopback(ownerId: string): string {
    return process.platform === "linux" ? this.#tunnelNames.loopbackAddress(ownerId) : "127.0.0.1";
  }
}
