// Whether a server has been without an app for long enough. Pure.
import { AppState } from "@lydian/protocol";

export interface AppTimes {
  readonly state: AppState;
  /** Unix seconds, zero when it has not been. */
  readonly createdAt: number;
  readonly stoppedAt: number;
}

/** Milliseconds since the last app, or since the start; zero while one lives. */
export function idleMs(apps: readonly AppTimes[], startedAt: number, now: number): number {
  if (apps.some((app) => app.state !== AppState.STOPPED)) return 0;
  const last = Math.max(startedAt, ...apps.map((app) => Math.max(app.createdAt, app.stoppedAt) * 1000));
  return Math.max(0, now - last);
}
