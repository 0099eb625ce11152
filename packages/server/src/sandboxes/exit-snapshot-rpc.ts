// The image of a sandbox's files at its end, for clients that ask until it is there.
import {
  SandboxGetExitSnapshotResponse_ErrorCode as ErrorCode,
  type Handlers,
  LydianError,
  type MessageInitShape,
  type ModalClient,
  type SandboxGetExitSnapshotResponseSchema,
} from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { Snapshots } from "./snapshots.ts";

/** Clients ask again after less. */
const MAX_HOLD_SECONDS = 60;

type Answer = MessageInitShape<typeof SandboxGetExitSnapshotResponseSchema>;
type Rpc = Handlers<typeof ModalClient, Caller>;

export function createExitSnapshotRpc(sandboxes: Sandboxes, snapshots: Snapshots): Partial<Rpc> {
  const get: Rpc["sandboxGetExitSnapshot"] = async ({ sandboxId, timeout }, { caller, signal, draining }): Promise<Answer> => {
    const record = sandboxes.require(sandboxId, caller.workspaceId);
    const sandbox = sandboxes.ofTask(record.taskId);
    if (sandbox?.resolved.exitSnapshot) await sandboxes.wait(record, Math.min(timeout, MAX_HOLD_SECONDS) * 1000, signal, draining);
    const imageId = snapshots.exitImage(record);
    if (imageId !== undefined) return { outcome: { case: "success", value: { imageId } } };
    if (!sandbox?.resolved.exitSnapshot)
      throw new LydianError(
        "invalid_argument",
        `The sandbox ${record.id} has no snapshot of its end: it was created without the option enable_exit_snapshot, or the server was restarted before its end.`,
      );
    if (sandbox.state !== "ended") return { outcome: { case: "pending", value: {} } };
    const message = sandbox.exitSnapshot && "error" in sandbox.exitSnapshot ? sandbox.exitSnapshot.error : "It never ran.";
    // The code that clients take for "there will be none".
    return { outcome: { case: "error", value: { errorCode: ErrorCode.FILESYSTEM_INCONSISTENT, message } } };
  };
  return { sandboxGetExitSnapshot: get, sandboxGetExitSnapshotV2: get };
}
