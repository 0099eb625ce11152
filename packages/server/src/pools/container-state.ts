// The life of a container, as its pool sees it.
//
//   creating ──started──→ booting ──asked for its function──→ importing ──hello──→ ready ──told to leave──→ draining
//       │                    │                                    │                  │                         │
//       └────────────────────┴───────────────── its process ends ─┴──────────────────┴─────────────────────────┴──→ ended

export type ContainerState = "creating" | "booting" | "importing" | "ready" | "draining" | "ended";

export type ContainerEvent = "started" | "asked" | "hello" | "leave" | "exit";

const NEXT: Readonly<Record<ContainerState, Partial<Record<ContainerEvent, ContainerState>>>> = {
  creating: { started: "booting", asked: "importing", leave: "draining", exit: "ended" },
  booting: { asked: "importing", leave: "draining", exit: "ended" },
  importing: { hello: "ready", leave: "draining", exit: "ended" },
  ready: { leave: "draining", exit: "ended" },
  draining: { exit: "ended" },
  ended: {},
};

/** Events that do not fit the state change nothing: the wire may repeat itself, and ends may overtake beginnings. */
export function nextState(state: ContainerState, event: ContainerEvent): ContainerState {
  return NEXT[state][event] ?? state;
}
