// Compiles the programs in C to packages/lydian/dist: the agent that works inside sandboxes, and what the container host does with mount
// namespaces. Static, so that they run in any image and on any machine. Without a C compiler the build goes on without them, and
// sandboxes say what is missing.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetupError, say } from "./report.mjs";
import { isFound } from "./system-packages.mjs";

const PROGRAMS = [
  { sources: "packages/containers/agent", program: "packages/lydian/dist/lydian-agent" },
  { sources: "packages/containers/host-tool", program: "packages/lydian/dist/lydian-host" },
];
const FLAGS = ["-std=gnu11", "-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"];

/** Whether nothing can be done for the programs that has not been done: they are there, or there is no compiler. Their sources are inputs of the build. */
export function isAgentSettled(root) {
  return process.platform !== "linux" || PROGRAMS.every(({ program }) => existsSync(join(root, program))) || !isFound("cc");
}

/** Compiles when a source has changed. Returns the inputs, relative to `root`. Throws SetupError with the compiler's words. */
export function buildAgent(root) {
  return PROGRAMS.flatMap((each) => buildProgram(root, each));
}

function buildProgram(root, { sources, program }) {
  const inputs = readdirSync(join(root, sources))
    .filter((name) => /\.[ch]$/.test(name))
    .sort()
    .map((name) => join(sources, name));
  if (process.platform !== "linux") return inputs;
  const hash = createHash("sha256").update(FLAGS.join(" "));
  for (const path of inputs) hash.update(path).update(readFileSync(join(root, path)));
  const id = hash.digest("hex");
  const stamp = join(root, `${program}.id`);
  if (existsSync(join(root, program)) && existsSync(stamp) && readFileSync(stamp, "utf8") === id) return inputs;
  if (!isFound("cc")) {
    say(`no C compiler (cc): going on without ${program}, which sandboxes need. To have it: apt-get install gcc libc6-dev`);
    return inputs;
  }
  const draft = join(root, `${program}.${process.pid}`);
  const files = inputs.filter((path) => path.endsWith(".c"));
  const result = spawnSync("cc", [...FLAGS, "-o", draft, ...files], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  if (result.status !== 0) {
    const words = `${result.stderr ?? ""}${result.error?.message ?? ""}`.trim();
    throw new SetupError(`${program} could not be compiled.\n${words}`, "If libc.a is what is missing: apt-get install libc6-dev");
  }
  // By rename: containers that run have the old one bound.
  renameSync(draft, join(root, program));
  writeFileSync(stamp, id);
  return inputs;
}
