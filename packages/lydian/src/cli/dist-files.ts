// Where the built files are that become processes of their own. This module is in the same directory as they are once it
// is bundled, and two levels above `dist` when it runs from source (tests).
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** The directory with cli.js and runtime/. */
const DIST_DIR = existsSync(join(here, "cli.js")) ? here : resolve(here, "../../dist");
export const CLI_FILE = join(DIST_DIR, "cli.js");
export const RUNTIME_DIR = join(DIST_DIR, "runtime");

/** Changes with the content of the build, so that a server of an older one is recognised. */
export function buildId(): string {
  try {
    const { id } = JSON.parse(readFileSync(join(DIST_DIR, "build.json"), "utf8")) as { id: string };
    return id;
  } catch {
    return "unknown";
  }
}
