// Which app runs, and over which connection. Set by the CLI, or by the runtime inside a container.
import { SESSION, type Session } from "@lydian/protocol/core";
import { InvalidError } from "./errors.ts";

export type { Session } from "@lydian/protocol/core";

const shared = globalThis as Record<symbol, unknown>;

export function setSession(session: Session | undefined): void {
  shared[SESSION] = session;
}

export function findSession(): Session | undefined {
  return shared[SESSION] as Session | undefined;
}

/** The id of a function of the running app. Throws InvalidError when no app runs, or it has no such function. */
export function functionId(name: string): string {
  const session = findSession();
  if (!session)
    throw new InvalidError(`${name} cannot be called: no app runs here.`, {
      hint: "Start it with `lydian run FILE`, and make calls in its entrypoint or in functions, not while a module loads.",
    });
  const id = Object.hasOwn(session.functionIds, name) ? session.functionIds[name] : undefined;
  if (id !== undefined) return id;
  throw new InvalidError(
    `The running app has no function ${JSON.stringify(name)}; it has: ${Object.keys(session.functionIds).join(", ") || "none"}.`,
  );
}
