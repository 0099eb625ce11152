import { describe, expect, it } from "vitest";
import { type ContainerEvent, type ContainerState, nextContainerState } from "./container-state.ts";

const STATES: ContainerState[] = ["creating", "booting", "standby", "importing", "ready", "draining", "ended"];
const EVENTS: ContainerEvent[] = ["started", "asked", "given", "hello", "stop", "exited"];

describe("a container", () => {
  it("can be stopped and can end in every state, and then stays ended", () => {
    for (const state of STATES) {
      expect(nextContainerState(state, "exited")).toBe("ended");
      expect(nextContainerState(state, "stop")).toBe(state === "ended" ? "ended" : "draining");
    }
  });

  it("never takes inputs again once it was told to stop", () => {
    for (const event of EVENTS) {
      expect(["draining", "ended", undefined]).toContain(nextContainerState("draining", event));
      expect(["ended", undefined]).toContain(nextContainerState("ended", event));
    }
  });

  it("goes from nothing to ready by either way", () => {
    const walk = (...events: ContainerEvent[]) =>
      events.reduce<ContainerState | undefined>((state, event) => state && nextContainerState(state, event), "creating");
    expect(walk("started", "given", "hello")).toBe("ready");
    expect(walk("started", "asked", "given", "hello")).toBe("ready");
  });
});
