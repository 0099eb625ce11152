// Tunnels on the wire: those of sandboxes, which are asked for, and those of functions, whose containers open them.
import { setTimeout as sleep } from "node:timers/promises";
import { type Handlers, LydianError, type ModalClient, GenericResult_GenericStatus as Status, TunnelType } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import { sandboxOwner } from "../sandboxes/ports.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { ConnectTokens } from "./connect-tokens.ts";
import type { TunnelOwner } from "./owner.ts";
import type { Tunnel, Tunnels } from "./tunnels.ts";

export interface TunnelsRpcDependencies {
  readonly tunnels: Tunnels;
  readonly connectTokens: ConnectTokens;
  readonly sandboxes: Sandboxes;
  /** The container of a function. Throws `failed_precondition` when it is about to end. */
  readonly functionOwner: (taskId: string) => TunnelOwner;
}

type Rpc = Handlers<typeof ModalClient, Caller>;

const MAX_HOLD_MS = 60_000;
const TIMEOUT_STATUS = Status.TIMEOUT;

export function createTunnelsRpc({ tunnels, connectTokens, sandboxes, functionOwner }: TunnelsRpcDependencies): Partial<Rpc> {
  const sandboxGetTunnels: Rpc["sandboxGetTunnels"] = async ({ sandboxId, timeout }, { caller, signal }) => {
    const sandbox = sandboxes.live(sandboxId, caller.workspaceId);
    const waited = new AbortController();
    const late = sleep(Math.min(Math.max(0, timeout * 1000), MAX_HOLD_MS), false, { signal: AbortSignal.any([signal, waited.signal]) });
    const opened = await Promise.race([sandbox.portsOpened.then(() => true), late.catch(() => false)]);
    waited.abort();
    if (!sandbox.live) throw sandbox.over();
    if (!opened) return { result: { status: TIMEOUT_STATUS } };
    return { tunnels: tunnels.list(sandbox.taskId).map(tunnelToWire) };
  };

  const sandboxCreateConnectToken: Rpc["sandboxCreateConnectToken"] = async ({ sandboxId, userMetadata, port }, { caller }) => {
    const sandbox = sandboxes.live(sandboxId, caller.workspaceId);
    const token = connectTokens.issue({ ownerId: sandbox.taskId, port, metadata: userMetadata });
    if (!sandbox.live) throw sandbox.over();
    return { url: await tunnels.openConnect(sandboxOwner(sandbox)), token };
  };

  return {
    sandboxGetTunnels,
    sandboxGetTunnelsV2: sandboxGetTunnels,
    sandboxCreateConnectToken,
    sandboxCreateConnectTokenV2: sandboxCreateConnectToken,

    async tunnelStart({ port, unencrypted, tunnelType }, { caller }) {
      const { taskId } = containerOf(caller);
      if (port < 1 || port > 65_535)
        throw new LydianError("invalid_argument", `The port to forward is ${port}; it must be from 1 to 65535.`);
      const { containerPort: _, ...tunnel } = tunnelToWire(
        await tunnels.open(functionOwner(taskId), { port, unencrypted, http2: tunnelType === TunnelType.H2 }),
      );
      return tunnel;
    },

    tunnelStop({ port }, { caller }) {
      return { exists: tunnels.close(containerOf(caller).taskId, port) };
    },
  };
}

export function tunnelToWire({ containerPort, host, port, tcp }: Tunnel) {
  return { containerPort, host, port, ...(tcp && { unencryptedHost: tcp.host, unencryptedPort: tcp.port }) };
}

function containerOf(caller: Caller) {
  if (caller.kind === "container") return caller;
  throw new LydianError("permission_denied", "Only a container may forward its ports.");
}
