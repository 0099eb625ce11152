// npm packages: compares what is in node_modules with package-lock.json and runs npm when they differ.
// Everything is installed, development packages too: the CLI is built here, by packages of that kind.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SetupError, say } from "./report.mjs";

/** A sentence about the first difference, or undefined when node_modules is what the lock file says. */
export function npmProblem(root) {
  const locked = packagesOf(join(root, "package-lock.json"));
  if (!locked) throw new SetupError("package-lock.json is missing or unreadable.", "Restore it: git checkout package-lock.json");
  const installed = packagesOf(join(root, "node_modules", ".package-lock.json"));
  if (!installed) return "node_modules does not exist yet";
  for (const [path, entry] of Object.entries(locked)) {
    if (!path.includes("node_modules/") || !isNeeded(entry)) continue;
    const found = installed[path];
    if (!found || !existsSync(join(root, path))) return `${path} is missing`;
    if (found.version !== entry.version) return `${path} is ${found.version}, the lock file says ${entry.version}`;
  }
  return undefined;
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** Optional packages are platform binaries: those of this platform are needed, the rest is not expected here. */
function isNeeded(entry) {
  if (!entry.optional && !entry.devOptional) return true;
  if (!entry.os && !entry.cpu) return false;
  return allows(entry.os, process.platform) && allows(entry.cpu, process.arch) && (!entry.libc || allows(entry.libc, libc()));
}

function allows(list, value) {
  if (!list) return true;
  if (list.includes(`!${value}`)) return false;
  return list.includes(value) || list.every((item) => item.startsWith("!"));
}

let libcName;
function libc() {
  libcName ??= existsSync("/lib") && readdirSync("/lib").some((name) => name.startsWith("ld-musl-")) ? "musl" : "glibc";
  return libcName;
}

/** Runs npm, with its output on stderr. Needs the registry. */
export function installNpmPackages(root, reason) {
  // Not `npm ci`: it begins by emptying node_modules, under the feet of whatever runs from this clone, and refuses a lock file
  // that was written where the registry lacks the binaries of other platforms. --no-save leaves the lock file as it is.
  say(`installing npm packages into node_modules, as package-lock.json says (${reason})`);
  const flags = [
    "--no-save",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--no-progress",
    "--no-update-notifier",
    "--loglevel=error",
  ];
  const started = Date.now();
  const result = spawnSync("npm", ["install", ...flags], { cwd: root, stdio: ["ignore", 2, 2] });
  if (result.error) {
    throw new SetupError(
      "npm was not found beside Node.",
      "Install it (Debian: apt-get install npm) or use the Node from https://nodejs.org, which brings it.",
    );
  }
  if (result.status !== 0) {
    throw new SetupError(
      `npm install failed with exit code ${result.status ?? result.signal}; its output is above.`,
      "Is the npm registry reachable? (npm ping)",
    );
  }
  const left = npmProblem(root);
  if (left) throw new SetupError(`npm finished, yet ${left}.`, "Remove node_modules and run this again.");
  say(`npm packages are in place (${((Date.now() - started) / 1000).toFixed(1)} s)`);
}
