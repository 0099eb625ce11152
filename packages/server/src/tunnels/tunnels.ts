// The tunnels of all containers: how their ports are reached from outside.
import type { Socket } from "node:net";
import { LydianError } from "@lydian/protocol";
import type { Door, Entrances, OpenDoor } from "./entrances.ts";
import type { TunnelOwner } from "./owner.ts";
import { Visitors } from "./visitors.ts";

export interface TunnelSpec {
  /** Of the container. */
  readonly port: number;
  /** Reached without TLS too. */
  readonly unencrypted: boolean;
  /** Clients may speak HTTP/2 inside of TLS. */
  readonly http2: boolean;
}

export interface Tunnel {
  readonly containerPort: number;
  readonly host: string;
  readonly port: number;
  /** Without TLS. */
  readonly tcp: { readonly host: string; readonly port: number } | undefined;
}

export interface TunnelsOptions {
  readonly entrances: Entrances;
  /** Takes HTTP connections of those with a token; see `Tunnels.openConnect`. */
  readonly serveHttp: (socket: Socket, owner: TunnelOwner, visitors: Visitors) => void;
}

/** Of one container. */
const MAX_TUNNELS = 64;

interface Opened {
  readonly doors: OpenDoor[];
  /** Undefined while it is being opened. */
  tunnel: Tunnel | undefined;
}

/** What one container has. */
class Ports {
  readonly owner: TunnelOwner;
  readonly visitors: Visitors;
  readonly byPort = new Map<number, Opened>();
  http: Promise<OpenDoor> | undefined;
  closed = false;

  constructor(owner: TunnelOwner) {
    this.owner = owner;
    this.visitors = new Visitors(owner);
  }

  /** Nobody comes in through it any more. */
  shut(port: number): void {
    const opened = this.byPort.get(port);
    this.byPort.delete(port);
    for (const door of opened?.doors ?? []) door.close();
  }
}

export class Tunnels {
  readonly #options: TunnelsOptions;
  /** By container. */
  readonly #ports = new Map<string, Ports>();

  constructor(options: TunnelsOptions) {
    this.#options = options;
  }

  /** Opens a port of a container. Throws `already_exists` when it is open. */
  async open(owner: TunnelOwner, spec: TunnelSpec): Promise<Tunnel> {
    const ports = this.#of(owner);
    if (ports.byPort.has(spec.port))
      throw new LydianError("already_exists", `The port ${spec.port} is forwarded already.`, { hint: "Use the tunnel that it has." });
    if (ports.byPort.size >= MAX_TUNNELS)
      throw new LydianError("resource_exhausted", `The container has ${MAX_TUNNELS} tunnels, the most there may be.`, {
        hint: "Close some.",
      });
    const opened: Opened = { doors: [], tunnel: undefined };
    ports.byPort.set(spec.port, opened);
    try {
      const tunnel = await this.#open(ports, spec, opened.doors);
      if (ports.byPort.get(spec.port) !== opened)
        throw new LydianError("failed_precondition", `The port ${spec.port} was closed meanwhile.`);
      opened.tunnel = tunnel;
      return tunnel;
    } catch (error) {
      for (const door of opened.doors) door.close();
      if (ports.byPort.get(spec.port) === opened) ports.byPort.delete(spec.port);
      throw error;
    }
  }

  /** URL of the door for HTTP requests with a token (`ConnectTokens`) of the container. It is opened when it is asked for first. */
  async openConnect(owner: TunnelOwner): Promise<string> {
    const ports = this.#of(owner);
    const enter = (socket: Socket) => {
      if (ports.visitors.admit(socket, CONNECT)) this.#options.serveHttp(socket, owner, ports.visitors);
    };
    ports.http ??= this.#options.entrances.openTls({ ownerId: owner.id, what: CONNECT, http2: false, enter });
    try {
      const door = await ports.http;
      if (ports.closed) door.close();
      return urlOf(door);
    } catch (error) {
      ports.http = undefined;
      throw error;
    }
  }

  /** Those that are open, by port. */
  list(ownerId: string): readonly Tunnel[] {
    return [...(this.#ports.get(ownerId)?.byPort.values() ?? [])].flatMap(({ tunnel }) => tunnel ?? []);
  }

  /** Closes a port; the connections through it end within a second. False: it was not open. */
  close(ownerId: string, port: number): boolean {
    const ports = this.#ports.get(ownerId);
    if (ports?.byPort.has(port) !== true) return false;
    ports.shut(port);
    ports.visitors.clear(String(port));
    return true;
  }

  /** Closes all that leads to a container. Its `open`s that are under way fail. */
  closeAll(ownerId: string): void {
    const ports = this.#ports.get(ownerId);
    if (ports === undefined) return;
    this.#ports.delete(ownerId);
    ports.closed = true;
    for (const port of [...ports.byPort.keys()]) ports.shut(port);
    void ports.http?.then(
      (door) => door.close(),
      () => {},
    );
    ports.visitors.clearAll();
  }

  async stop(): Promise<void> {
    for (const ownerId of [...this.#ports.keys()]) this.closeAll(ownerId);
    await this.#options.entrances.close();
  }

  #of(owner: TunnelOwner): Ports {
    const ports = this.#ports.get(owner.id) ?? new Ports(owner);
    this.#ports.set(owner.id, ports);
    return ports;
  }

  async #open({ owner, visitors }: Ports, { port, unencrypted, http2 }: TunnelSpec, doors: OpenDoor[]): Promise<Tunnel> {
    const { entrances } = this.#options;
    const enter = (socket: Socket) => {
      if (visitors.admit(socket, String(port))) void visitors.lead(socket, port);
    };
    const door: Door = { ownerId: owner.id, what: String(port), http2, enter };
    const keep = (opened: OpenDoor): OpenDoor => {
      doors.push(opened);
      return opened;
    };
    const tls = keep(await entrances.openTls(door));
    const tcp = unencrypted ? keep(await entrances.openTcp(door)) : undefined;
    return { containerPort: port, host: tls.host, port: tls.port, tcp: tcp && { host: tcp.host, port: tcp.port } };
  }
}

const CONNECT = "connect";

const urlOf = ({ host, port }: OpenDoor): string => {
  const name = host.includes(":") ? `[${host}]` : host;
  return `https://${name}${port === 443 ? "" : `:${port}`}`;
};
