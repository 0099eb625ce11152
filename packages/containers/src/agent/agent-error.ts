// What goes wrong inside a container, as the kernel there names it.

import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
/** Two names for one number: this one is the usual. */
NAMES.set(constants.errno.EAGAIN, "EAGAIN");

/** Where it went wrong. "agent": the agent is gone or does not answer; "target": the second path of a rename or copy. */
export type AgentStep = "request" | "pipes" | "pty" | "fork" | "chdir" | "user" | "exec" | "connect" | "file" | "target" | "agent";

const STEPS: readonly (AgentStep | undefined)[] = [
  undefined,
  "request",
  "pipes",
  "pty",
  "fork",
  "chdir",
  "user",
  "exec",
  "connect",
  "file",
  "target",
];

export class AgentError extends Error {
  /** Name of an errno: ENOENT, EACCES, ENOTDIR, EISDIR, EEXIST, ENOTEMPTY, EFBIG, ENOSPC, EROFS, ECONNREFUSED, … */
  readonly code: string;
  readonly step: AgentStep;

  constructor(code: string, step: AgentStep, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AgentError";
    this.code = code;
    this.step = step;
  }
}

export const stepOf = (number: number): AgentStep => STEPS[number] ?? "request";

/** `what` says what was tried, e.g. `/etc/x could not be read`. */
export function errnoError(errno: number, step: AgentStep, what: string): AgentError {
  const code = NAMES.get(errno) ?? `E${errno}`;
  const text = getSystemErrorMap().get(-errno)?.[1];
  return new AgentError(code, step, `${what}: ${text === undefined ? code : `${text} (${code})`}.`);
}

export const agentGone = () => new AgentError("ECONNRESET", "agent", "The container's agent has gone: the container has ended.");
