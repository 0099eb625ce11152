// The life of an input:
//
//   writing ──written──► queued ──taken──► running ──answered──► recording ──recorded──► done
//                          ▲ ▲               │ │                   ▲ │
//                          │ └───released────┘ └──failed──► waiting│ │
//                          └──────────due──────────────────────┘ └─┘ │
//                          ▲                                  answered│
//                          └──unrecorded (nothing ran it), or running ┘ (a container did)
//
// `writing`: its row is on the way to the disk. `recording`: its output is. `waiting`: for the delay before a retry.
// A queued or waiting input is answered without having run when its call is cancelled or its function cannot be started.
// What the output says (success, failure, timeout, cancelled) is the output's, not a state.

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
