// The life of an app.
//
//   initializing ──published──→ ephemeral ──client left, stopped, silent──→ stopping ──all containers gone──→ stopped
//        │          ├─────────→ detached ───stopped────────────────────────────↑
//        │          └─────────→ deployed ───stopped, replaced──────────────────↑
//        └──client left, stopped, silent───────────────────────────────────────┘
//
// A published app may be published again, as what it is.
// `lydian run` makes its app ephemeral at once: calls are possible when it is published. An app that was asked for by its name
// (AppGetOrCreate) is deployed at once, without functions.

export type AppState = "initializing" | "ephemeral" | "detached" | "deployed" | "stopping" | "stopped";
export type AppEvent = "publish-ephemeral" | "publish-detached" | "deploy" | "stop" | "emptied";

const NEXT: Readonly<Record<AppState, Partial<Record<AppEvent, AppState>>>> = {
  initializing: { "publish-ephemeral": "ephemeral", "publish-detached": "detached", deploy: "deployed", stop: "stopping" },
  ephemeral: { "publish-ephemeral": "ephemeral", stop: "stopping" },
  detached: { "publish-detached": "detached", stop: "stopping" },
  deployed: { deploy: "deployed", stop: "stopping" },
  stopping: { stop: "stopping", emptied: "stopped" },
  stopped: { stop: "stopped", emptied: "stopped" },
};

/** Undefined when the event is impossible in this state. */
export function nextAppState(state: AppState, event: AppEvent): AppState | undefined {
  return NEXT[state][event];
}

/** The event of publishing an app that stays what it is. */
export function republish(state: AppState): AppEvent {
  if (state === "deployed") return "deploy";
  return state === "detached" ? "publish-detached" : "publish-ephemeral";
}

export const isLive = (state: AppState): boolean => state !== "stopping" && state !== "stopped";

/** Whether an app in this state ends with its client: when that leaves or falls silent. */
export const needsClient = (state: AppState): boolean => state === "initializing" || state === "ephemeral";
