// The life of an input:
//
//   writing ──written──► queued ──taken──► running ──failed──► waiting ──due──► queued
//                          ▲                  │
//                          └─────released─────┘
//
//   queued, running, waiting ──answered──► recording ──recorded──► done
//                                              ├──unrecorded──────────► queued    (no container had it)
//                                              └──unrecorded-running──► running   (one still has)
//
// `writing`: its row is on the way to the disk. `recording`: its output is; when that fails, the input is what it was. `waiting`: for
// the delay before a retry. Queued and waiting inputs are answered without having run when their call is cancelled or their function
// cannot be started. What the output says (success, failure, timeout, cancelled) is the output's, not a state.

export type InputState = "writing" | "queued" | "running" | "waiting" | "recording" | "done";

export type InputEvent =
  | "written"
  | "taken"
  | "released"
  | "failed"
  | "due"
  | "answered"
  | "recorded"
  | "unrecorded"
  | "unrecorded-running";

const TRANSITIONS: Readonly<Record<InputState, Readonly<Partial<Record<InputEvent, InputState>>>>> = {
  writing: { written: "queued" },
  queued: { taken: "running", answered: "recording" },
  running: { released: "queued", failed: "waiting", answered: "recording" },
  waiting: { due: "queued", answered: "recording" },
  recording: { recorded: "done", unrecorded: "queued", "unrecorded-running": "running" },
  done: {},
};

/** Undefined when the event cannot happen in this state. */
export function nextInputState(state: InputState, event: InputEvent): InputState | undefined {
  return TRANSITIONS[state][event];
}
