// The life of an input:
//
//   queued ──taken──► running ──failed──► waiting ──due──► queued
//      ▲                 │
//      └────released─────┘
//
//   queued, running, waiting ──answered──► recording ──recorded──► done
//                                              ├──unrecorded──────────► queued    (no container had it)
//                                              └──unrecorded-running──► running   (one still has)
//   any but done ──unwritten──► withdrawn
//
// It is queued while its row is still on the way to the disk: a container may work on it meanwhile, only nobody is told that the call
// was taken. Should the row not get there, it is `withdrawn`. `recording`: its output is on the way to the disk; when that fails, the
// input is what it was. `waiting`: for the delay before a retry. Queued and waiting inputs are answered without having run when their
// call is cancelled or their function cannot be started. What the output says (success, failure, timeout, cancelled) is the output's,
// not a state.

export type InputState = "queued" | "running" | "waiting" | "recording" | "done" | "withdrawn";

export type InputEvent =
  | "taken"
  | "released"
  | "failed"
  | "due"
  | "answered"
  | "recorded"
  | "unrecorded"
  | "unrecorded-running"
  | "unwritten";

const TRANSITIONS: Readonly<Record<InputState, Readonly<Partial<Record<InputEvent, InputState>>>>> = {
  queued: { taken: "running", answered: "recording", unwritten: "withdrawn" },
  running: { released: "queued", failed: "waiting", answered: "recording", unwritten: "withdrawn" },
  waiting: { due: "queued", answered: "recording", unwritten: "withdrawn" },
  recording: { recorded: "done", unrecorded: "queued", "unrecorded-running": "running", unwritten: "withdrawn" },
  done: {},
  withdrawn: {},
};

/** Undefined when the event cannot happen in this state. */
export function nextInputState(state: InputState, event: InputEvent): InputState | undefined {
  return TRANSITIONS[state][event];
}
