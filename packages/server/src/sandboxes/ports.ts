// The ports of a sandbox that are reached from outside.
import type { TunnelOwner } from "../tunnels/owner.ts";
import type { Tunnels } from "../tunnels/tunnels.ts";
import type { Sandbox } from "./sandbox.ts";

export const sandboxOwner = (sandbox: Sandbox): TunnelOwner => ({
  id: sandbox.taskId,
  allowed: sandbox.resolved.inbound,
  connect: async (port, signal) => (await sandbox.agent()).connect(port, { signal }),
  use: () => sandbox.use(),
});

/** Opens those that it was created with, all or none. */
export async function openPorts(sandbox: Sandbox, tunnels: Tunnels): Promise<void> {
  const { ports } = sandbox.resolved;
  if (ports.length === 0) return;
  const owner = sandboxOwner(sandbox);
  await Promise.all(ports.map(({ port, encrypted, http2 }) => tunnels.open(owner, { port, unencrypted: !encrypted, http2 })));
}
