// System packages that containers need. Without them functions still run, as plain processes without isolation, so a
// machine where they cannot be installed is told what it lacks and goes on.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetupError, say } from "./report.mjs";

/** The C library to link with, by architecture and distribution. */
const LIBC = ["x86_64-linux-gnu", "aarch64-linux-gnu", ".", "../lib64"].map((place) => join("/usr/lib", place, "libc.a"));

/** `ifFound`: any one of these programs (or files, when absolute) makes the package unnecessary. */
const NEEDED = [
  { package: "crun", ifFound: ["runc", "crun"], why: "starts containers" },
  { package: "mmdebstrap", ifFound: ["mmdebstrap"], why: "makes the default image without a registry" },
  { package: "iproute2", ifFound: ["ip"], why: "gives containers a network of their own" },
  { package: "nftables", ifFound: ["nft"], why: "keeps containers away from this machine's services" },
  { package: "e2fsprogs", ifFound: ["mkfs.ext4"], why: "limits the disk a container can fill" },
  { package: "mount", ifFound: ["mount"], why: "stacks image layers" },
  { package: "uidmap", ifFound: ["newuidmap"], why: "lets containers run without root" },
  { package: "slirp4netns", ifFound: ["slirp4netns"], why: "gives containers without root a network" },
  { package: "gcc", ifFound: ["cc"], why: "compiles the agent that works inside sandboxes" },
  { package: "libc6-dev", ifFound: LIBC, why: "compiles the agent that works inside sandboxes" },
  { package: "ca-certificates", ifFound: ["/etc/ssl/certs/ca-certificates.crt"], why: "lets images reach https" },
];

const PATHS = [...new Set([...(process.env.PATH ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"])].filter(Boolean);

/** Whether a program is in the PATH, or a file exists. */
export const isFound = (name) => (name.startsWith("/") ? existsSync(name) : PATHS.some((path) => existsSync(join(path, name))));

/** On other systems than Linux there is nothing to install: containers run elsewhere. */
export function missingSystemPackages() {
  if (process.platform !== "linux") return [];
  const missing = NEEDED.filter(({ ifFound }) => !ifFound.some(isFound));
  if (!isFound("npm") && !existsSync(join(process.execPath, "..", "npm")))
    missing.unshift({ package: "npm", why: "installs the JavaScript packages" });
  return missing;
}

/** By user: what one cannot install, root may. */
const noteOf = (missing) => [`uid ${process.getuid?.()}`, ...missing.map((item) => item.package)].join(" ");

/** Whether exactly these packages are known not to be installable here: the user has been told. */
export function isDeclined(file, missing) {
  try {
    return missing.length > 0 && readFileSync(file, "utf8") === noteOf(missing);
  } catch {
    return false;
  }
}

/** Installs with apt-get, as root or through sudo; where that cannot be, says what to do, notes it in `declinedFile` and returns. */
export function installSystemPackages(missing, declinedFile) {
  const names = missing.map((item) => item.package);
  const list = missing.map((item) => `  ${item.package.padEnd(16)} ${item.why}`).join("\n");
  const sudo = process.getuid?.() === 0 ? [] : sudoPrefix();
  const refusal = whyNot(sudo);
  if (refusal) {
    say(`these system packages are missing, and ${refusal}:\n${list}`);
    say(`going on without: functions run as plain processes. To install them: sudo apt-get install ${names.join(" ")}`);
    writeFileSync(declinedFile, noteOf(missing));
    return;
  }
  say(`installing system packages with ${[...sudo, "apt-get"].join(" ")}:\n${list}`);
  const apt = (...args) => run([...sudo, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", ...args]);
  const install = () => apt("install", "-y", "--no-install-recommends", ...names);
  // The lists of a fresh machine are empty or old: one update, then a second try.
  let result = install();
  if (result.status !== 0) {
    apt("update");
    result = install();
  }
  if (result.status !== 0) {
    const output = result.output.trim().split("\n").slice(-12).join("\n");
    if (names.includes("npm"))
      throw new SetupError(`apt-get could not install ${names.join(", ")}:\n${output}`, "Install npm by hand, then run this again.");
    say(`apt-get failed, going on without (functions run as plain processes):\n${output}`);
    say("to try again: node scripts/setup.mjs");
    writeFileSync(declinedFile, noteOf(missing));
    return;
  }
  // Believed when seen: a file that was deleted by hand is not brought back by installing its package again.
  const left = missingSystemPackages();
  if (left.length === 0) {
    say("system packages are in place");
    return;
  }
  const leftNames = left.map((item) => item.package).join(" ");
  say(`apt-get finished, yet ${leftNames} cannot be found; going on without. Try: apt-get install --reinstall ${leftNames}`);
  writeFileSync(declinedFile, noteOf(left));
}

/** Asking for a password needs a terminal. */
function sudoPrefix() {
  if (!isFound("sudo")) return undefined;
  if (spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0) return ["sudo", "-n"];
  return process.stdin.isTTY && process.stderr.isTTY ? ["sudo"] : undefined;
}

function whyNot(sudo) {
  if (process.env.LYDIAN_SETUP === "no-system") return "LYDIAN_SETUP=no-system forbids installing them";
  if (!isFound("apt-get")) return "this system has no apt-get (use its own package manager)";
  if (!sudo) return "installing them needs root or sudo";
  return undefined;
}

function run(command) {
  const [file, ...args] = command;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const result = spawnSync(file, args, { stdio: ["inherit", "pipe", "pipe"], env, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return { status: result.status, output: `${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}` };
}
