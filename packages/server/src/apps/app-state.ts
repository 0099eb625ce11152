// The life of an app.
//
//   initializing ──published──→ ephemeral ──client left, stopped, silent──→ stopping ──all containers gone──→ stopped
//        │          └─────────→ detached ───stopped────────────────────────────↑
//        └──client left, stopped, silent───────────────────────────────────────┘
//
// `lydian run` makes its app ephemeral at once: calls are possible when it is published.

export type AppState = "initializing" | "ephemeral" | "detached" | "stopping" | "stopped";
export type AppEvent = "publish-ephemeral" | "publish-detached" | "stop" | "emptied";

const NEXT: Readonly<Record<AppState, Partial<Record<AppEvent, AppState>>>> = {
  initializing: { "publish-ephemeral": "ephemeral", "publish-detached": "detached", stop: "stopping" },
  ephemeral: { "publish-ephemeral": "ephemeral", stop: "stopping" },
  detached: { "publish-detached": "detached", stop: "stopping" },
  stopping: { stop: "stopping", emptied: "stopped" },
  stopped: { stop: "stopped", emptied: "stopped" },
};

/** Undefined when the event is impossible in this state. */
export function nextAppState(state: AppState, event: AppEvent): AppState | undefined {
  return NEXT[state][event];
}

export const isLive = (state: AppState): boolean => state !== "stopping" && state !== "stopped";
