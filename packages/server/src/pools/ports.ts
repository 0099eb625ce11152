// The ports of a function's container, which its code opens to the outside.
import { LydianError } from "@lydian/protocol";
import type { ExecHome } from "../execs/exec-home.ts";
import type { TunnelOwner } from "../tunnels/owner.ts";
import type { PoolContainer } from "./container.ts";

/**
 * Throws `failed_precondition` when the container has ended; tells `onEnded` when it does. Visitors do not keep it: its calls and its
 * pool's policy do.
 */
export function functionOwner(container: PoolContainer, home: ExecHome, onEnded: () => void): TunnelOwner {
  const { taskId } = container;
  if (container.state === "ended") throw new LydianError("failed_precondition", `The container ${taskId} has ended.`);
  void container.ended.then(onEnded);
  return {
    id: taskId,
    allowed: undefined,
    connect: async (port, signal) => (await home.agent()).connect(port, { signal }),
    use: () => ({ [Symbol.dispose]: () => {} }),
  };
}
