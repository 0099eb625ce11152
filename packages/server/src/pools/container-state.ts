// The life of a container:
//
//   creating ──started──► booting ──given──► importing ──hello──► ready ──stop──► draining ──exited──► ended
//                            │ └──asked──► standby ──given──► importing
//                            └──hello──► ready   (the official runtime asks nothing: its arguments are a file)
//
// `creating`: rootfs, network, process. `booting`: until its runtime asks what it is. `standby`: has a runtime, waits for a function.
// `importing`: loads the user's code. `draining`: takes nothing new, ends when what runs has ended or its grace is over.
// It can be told to stop, and can end, in every state.

export type ContainerState = "creating" | "booting" | "standby" | "importing" | "ready" | "draining" | "ended";

export type ContainerEvent = "started" | "asked" | "given" | "hello" | "stop" | "exited";

const TRANSITIONS: Readonly<Record<ContainerState, Readonly<Partial<Record<ContainerEvent, ContainerState>>>>> = {
  creating: { started: "booting", stop: "draining", exited: "ended" },
  booting: { asked: "standby", given: "importing", hello: "ready", stop: "draining", exited: "ended" },
  standby: { given: "importing", stop: "draining", exited: "ended" },
  importing: { given: "importing", hello: "ready", stop: "draining", exited: "ended" },
  ready: { hello: "ready", stop: "draining", exited: "ended" },
  draining: { started: "draining", asked: "draining", hello: "draining", stop: "draining", exited: "ended" },
  ended: { exited: "ended", stop: "ended" },
};

/** Undefined when the event cannot happen in this state. */
export function nextContainerState(state: ContainerState, event: ContainerEvent): ContainerState | undefined {
  return TRANSITIONS[state][event];
}
