// Makes this clone ready: Node's version, npm packages, system packages, build. Runs before the CLI and before
// the tests, so it must cost next to nothing when nothing is missing, and it needs no package itself.
//
// LYDIAN_SETUP=skip        does nothing (the caller answers for everything).
// LYDIAN_SETUP=no-system   never installs system packages, only says which are missing.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isAgentSettled } from "./setup/agent.mjs";
import { isBuildCurrent } from "./setup/build-state.mjs";
import { withLock } from "./setup/lock.mjs";
import { installNpmPackages, npmProblem } from "./setup/npm-packages.mjs";
import { SetupError, say } from "./setup/report.mjs";
import { installSystemPackages, isDeclined, missingSystemPackages } from "./setup/system-packages.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DECLINED = join(ROOT, ".lydian", "declined-system-packages");
const OLDEST_NODE = [20, 19];

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  throw new SetupError(
    `Node ${process.versions.node} is too old: Lydian needs ${OLDEST_NODE.join(".")} or newer.`,
    "Install a newer one, for example from https://nodejs.org/en/download, and see that `node --version` shows it.",
  );
}

/** What this clone lacks. All of it is answered from file metadata, without starting a process. */
function inspect(again) {
  const system = missingSystemPackages();
  return {
    npm: npmProblem(ROOT),
    system: !again && isDeclined(DECLINED, system) ? [] : system,
    build: isBuildCurrent(ROOT) && isAgentSettled(ROOT) ? undefined : "dist is older than the sources",
  };
}

/**
 * Brings the clone to the state in which the CLI and the tests work. Idempotent; a second one that starts meanwhile
 * waits for the first. System packages that could not be installed are asked for once; `again` asks anew. Throws SetupError with a
 * sentence and a hint.
 */
export async function ensureReady({ again = false } = {}) {
  if (process.env.LYDIAN_SETUP === "skip") return;
  checkNode();
  const seen = inspect(again);
  if (!seen.npm && !seen.build && seen.system.length === 0) return;
  await withLock(join(ROOT, ".lydian", "setup.lock"), async () => {
    const missing = inspect(again);
    // System packages first: npm may be one of them.
    if (missing.system.length > 0) installSystemPackages(missing.system, DECLINED);
    if (missing.npm) installNpmPackages(ROOT, missing.npm);
    // Asked again: new packages change what the build is made of.
    if (!isBuildCurrent(ROOT) || !isAgentSettled(ROOT)) {
      const { build } = await import("./build.mjs");
      const { ms } = await build();
      say(`built packages/lydian/dist from the sources (${ms} ms)`);
    }
  });
}

/** Prints a SetupError as two lines; anything else with its stack. Returns the exit code. */
export function explainFailure(error) {
  if (error instanceof SetupError) process.stderr.write(`setup: ${error.message}\n${error.hint ? `  ${error.hint}\n` : ""}`);
  else process.stderr.write(`setup: ${error?.stack ?? error}\n`);
  return 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await ensureReady({ again: true });
  } catch (error) {
    process.exitCode = explainFailure(error);
  }
}
