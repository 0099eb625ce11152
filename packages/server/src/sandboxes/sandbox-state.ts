// The life of a sandbox.
//
//   starting ──started──▶ running ──end──▶ ending ──removed──▶ ended
//      └────────────────end───────────────────▲
//
// `end` is whatever ends it: its command, a client, its time, a start that fails. Only the first one says how it ended.
export type SandboxState = "starting" | "running" | "ending" | "ended";
export type SandboxEvent = "started" | "end" | "removed";

const TRANSITIONS: Readonly<Record<SandboxState, Partial<Record<SandboxEvent, SandboxState>>>> = {
  starting: { started: "running", end: "ending" },
  running: { end: "ending" },
  ending: { removed: "ended" },
  ended: {},
};

/** Undefined: this cannot happen now. */
export function nextSandboxState(state: SandboxState, event: SandboxEvent): SandboxState | undefined {
  return TRANSITIONS[state][event];
}
