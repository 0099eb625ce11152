// Finds the program that does with mount namespaces what no program of a distribution does. It is compiled from host-tool/*.c when Lydian
// is built.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Beside the bundle in an installed Lydian; seen from the sources, in this clone's build. */
const PLACES = ["./lydian-host", "../../../lydian/dist/lydian-host"];

/** Undefined when it has not been built. */
export function findHostTool(): string | undefined {
  return PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path));
}
