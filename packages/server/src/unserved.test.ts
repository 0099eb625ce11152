import { describe, expect, it } from "vitest";
import { unservedText } from "./unserved.ts";

describe("what is said of an operation that is not there", () => {
  it.each([
    ["VolumeGetOrCreate", "This server does not offer volumes yet (VolumeGetOrCreate)."],
    ["SharedVolumeList", "This server does not offer network file systems yet (SharedVolumeList)."],
    ["SandboxSomething", "This server does not offer this operation of sandboxes yet (SandboxSomething)."],
    ...["SandboxSnapshot", "SandboxSnapshotGet", "SandboxSnapshotWait", "SandboxRestoreV2", "TaskSnapshotMemory"].map((operation) => [
      operation,
      `This server does not offer memory snapshots of sandboxes (those of files keep what is on disk) yet (${operation}).`,
    ]),
    ["PersistentSandboxCreate", "This server does not offer persistent sandboxes yet (PersistentSandboxCreate)."],
    ["Anything", "/modal.client.ModalClient/Anything is not served by this server."],
  ])("names the feature of %s", (operation, text) => {
    expect(unservedText(`/modal.client.ModalClient/${operation}`)).toBe(text);
  });
});
