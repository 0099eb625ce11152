import { describe, expect, it } from "vitest";
import { unservedText } from "./unserved.ts";

describe("what is said of an operation that is not there", () => {
  it.each([
    ["VolumeGetOrCreate", "This server does not offer volumes yet (VolumeGetOrCreate)."],
    ["SharedVolumeList", "This server does not offer network file systems yet (SharedVolumeList)."],
    ["SandboxCreateV2", "This server does not offer sandboxes yet (SandboxCreateV2)."],
    ["Anything", "/modal.client.ModalClient/Anything is not served by this server."],
  ])("names the feature of %s", (operation, text) => {
    expect(unservedText(`/modal.client.ModalClient/${operation}`)).toBe(text);
  });
});
