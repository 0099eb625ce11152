// Finds the agent program, which is compiled from agent/*.c when Lydian is built.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where the program may be: beside the bundle in an installed Lydian and in a clone's build; seen from the sources, in that build. */
const PLACES = ["./lydian-agent", "../../../lydian/dist/lydian-agent"];

/** Path of the agent's executable, for a read-only bind into containers. Undefined when it has not been built. */
export function findAgentProgram(): string | undefined {
  return PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path));
}

/** The same. Throws when it has not been built, with what to do. */
export function agentProgram(): string {
  const path = findAgentProgram();
  if (path !== undefined) return path;
  throw new Error(
    "The agent that works inside sandboxes has not been built: it takes a C compiler. apt-get install gcc libc6-dev, then npm run build.",
  );
}
