// Compiles the agent that works inside sandboxes (packages/containers/agent/*.c) to packages/lydian/dist/lydian-agent. Static, so that
// it runs in any image. Without a C compiler the build goes on without it, and sandboxes say what is missing.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetupError, say } from "./report.mjs";
import { isFound } from "./system-packages.mjs";

const SOURCES = "packages/containers/agent";
const PROGRAM = "packages/lydian/dist/lydian-agent";
const FLAGS = ["-std=gnu11", "-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"];

/** Whether nothing can be done for the agent that has not been done: it is there, or there is no compiler. Its sources are inputs of the build. */
export function isAgentSettled(root) {
  return process.platform !== "linux" || existsSync(join(root, PROGRAM)) || !isFound("cc");
}

/** Compiles when a source has changed. Returns the inputs, relative to `root`. Throws SetupError with the compiler's words. */
export function buildAgent(root) {
  const inputs = readdirSync(join(root, SOURCES))
    .filter((name) => /\.[ch]$/.test(name))
    .sort()
    .map((name) => join(SOURCES, name));
  if (process.platform !== "linux") return inputs;
  const hash = createHash("sha256").update(FLAGS.join(" "));
  for (const path of inputs) hash.update(path).update(readFileSync(join(root, path)));
  const id = hash.digest("hex");
  const stamp = join(root, `${PROGRAM}.id`);
  if (existsSync(join(root, PROGRAM)) && existsSync(stamp) && readFileSync(stamp, "utf8") === id) return inputs;
  if (!isFound("cc")) {
    say("no C compiler (cc): going on without the agent that sandboxes need. To have it: apt-get install gcc libc6-dev");
    return inputs;
  }
  const draft = join(root, `${PROGRAM}.${process.pid}`);
  const sources = inputs.filter((path) => path.endsWith(".c"));
  const result = spawnSync("cc", [...FLAGS, "-o", draft, ...sources], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  if (result.status !== 0) {
    const words = `${result.stderr ?? ""}${result.error?.message ?? ""}`.trim();
    throw new SetupError(`the agent could not be compiled.\n${words}`, "If libc.a is what is missing: apt-get install libc6-dev");
  }
  // By rename: containers that run have the old one bound.
  renameSync(draft, join(root, PROGRAM));
  writeFileSync(stamp, id);
  return inputs;
}
