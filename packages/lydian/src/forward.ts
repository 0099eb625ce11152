import { isLocal } from "./context.ts";
import { InvalidError, rethrow } from "./errors.ts";
import type { Tunnel } from "./sandbox/tunnel.ts";
import { showValue } from "./show-value.ts";

export interface ForwardOptions {
  /** Reached without TLS too. Default false. */
  readonly unencrypted?: boolean;
  /** Clients may speak HTTP/2 inside of TLS. Default false. */
  readonly h2?: boolean;
}

/** Of a function's container. Leaving an `await using` scope closes it. */
export interface ForwardedTunnel extends Tunnel, AsyncDisposable {
  /** Nobody reaches the port any more; connections through it end within a second. Idempotent. */
  close(): Promise<void>;
}

/** Of the wire. */
const H2 = 1;

/**
 * Lets a port of this container be reached from outside, until it is closed or the container ends. Only in functions. Throws
 * AlreadyExistsError when it is open already.
 *
 * @example
 * await using tunnel = await forward(8000);
 * console.log(tunnel.url);
 */
export async function forward(port: number, { unencrypted = false, h2 = false }: ForwardOptions = {}): Promise<ForwardedTunnel> {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidError(`\`port\` is ${showValue(port)}; it must be a whole number from 1 to 65535.`);
  if (unencrypted && h2) throw new InvalidError("`h2` and `unencrypted` exclude each other: HTTP/2 needs TLS here.");
  if (isLocal())
    throw new InvalidError("`forward` opens ports of containers, and this is none.", {
      hint: "Call it in a function, or open ports of a Sandbox.",
    });
  const [{ currentClient }, { tunnelOf }] = await Promise.all([import("./client.ts"), import("./sandbox/tunnel.ts")]);
  const { modal } = currentClient();
  const started = await modal.tunnelStart({ port, unencrypted, ...(h2 && { tunnelType: H2 }) }).catch(rethrow);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= modal.tunnelStop({ port }).then(() => {}, rethrow);
    return closed;
  };
  return { ...tunnelOf(started), close, [Symbol.asyncDispose]: close };
}
