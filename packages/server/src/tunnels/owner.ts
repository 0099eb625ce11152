import type { Duplex } from "node:stream";

/** A container with ports that are reached from outside. */
export interface TunnelOwner {
  /** Of the container. */
  readonly id: string;
  /** Address ranges from which it may be reached; undefined: from everywhere. */
  readonly allowed: readonly string[] | undefined;
  /** Connects to a port inside. Rejects when nobody listens there, or the container has ended. `signal` gives up. */
  connect(port: number, signal: AbortSignal): Promise<Duplex>;
  /** Somebody is connected, until the result is disposed. */
  use(): Disposable;
}
