import { AppState } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { idleMs } from "./idle-policy.ts";

const app = (state: AppState, createdAt: number, stoppedAt = 0) => ({ state, createdAt, stoppedAt });

describe("how long a server has been idle", () => {
  it("counts from its start when there was no app", () => {
    expect(idleMs([], 1000, 5000)).toBe(4000);
  });

  it("is not idle while an app lives, or is being stopped", () => {
    expect(idleMs([app(AppState.EPHEMERAL, 1)], 0, 90_000)).toBe(0);
    expect(idleMs([app(AppState.STOPPING, 1)], 0, 90_000)).toBe(0);
  });

  it("is never idle while an app is deployed, however long nobody calls it", () => {
    expect(idleMs([app(AppState.DEPLOYED, 1), app(AppState.STOPPED, 1, 3)], 0, 1e12)).toBe(0);
  });

  it("counts from the end of the last app, and ignores those of an earlier server", () => {
    expect(idleMs([app(AppState.STOPPED, 1, 3), app(AppState.STOPPED, 1, 2)], 1000, 10_000)).toBe(7000);
    expect(idleMs([app(AppState.STOPPED, 1, 3)], 8000, 10_000)).toBe(2000);
  });
});
