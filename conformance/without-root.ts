// Runs a command as root of a user namespace and as nobody outside of it, also when the tests are run by root.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { accessSync, chownSync, constants, mkdtempSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** What is root inside: an id that no file and no user of the machine has. */
const OUTER_ID = 700_000_000;
const MAPPING = `0 ${OUTER_ID} 65536`;
const NAMESPACE_LIMIT_MS = 10_000;

/** A machine's own /dev/net/tun may be root's alone; on most, other users may open it. */
const OPEN_TUN = '[ -e "$DIR/tun" ] || mknod "$DIR/tun" c 10 200 && chmod 666 "$DIR/tun" && mount --bind "$DIR/tun" /dev/net/tun';
/** Holds the namespaces; all that is in them ends with it. */
const HOLD = `${OPEN_TUN} && exec unshare --user --mount --pid --fork --kill-child=SIGKILL sleep 2147483647`;

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Why there can be no such namespace here; undefined when there can. */
export function whyNotWithoutRoot(repository: string): string | undefined {
  if (process.platform !== "linux") return "this is not Linux";
  if (process.getuid?.() !== 0) return "the tests are not run by root; whatever runs containers in them does without root already";
  try {
    accessSync("/dev/net/tun", constants.F_OK);
  } catch {
    return "there is no /dev/net/tun";
  }
  const asNobody = ["--reuid", String(OUTER_ID), "--regid", String(OUTER_ID), "--clear-groups"];
  const { status } = spawnSync("setpriv", [...asNobody, "test", "-r", `${repository}/package.json`]);
  return status === 0 ? undefined : `${repository} cannot be read by other users`;
}

/** A directory that belongs to whoever is root inside. */
export function directory(): string {
  const dir = mkdtempSync("/var/tmp/lydian-without-root-");
  chownSync(dir, OUTER_ID, OUTER_ID);
  return dir;
}

/** Everything that the command has started ends with it. */
export async function runWithoutRoot(dir: string, command: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const whole = { PATH: process.env.PATH ?? "", DIR: dir, HOME: dir, TMPDIR: dir, ...env };
  const holder = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", HOLD], { env: whole, stdio: "ignore" });
  try {
    const inside = await giveIds(holder);
    const enter = ["--target", inside, "--user", "--mount", "--pid", "--setuid", "0", "--setgid", "0", "--"];
    const child = spawn("nsenter", [...enter, "sh", "-c", 'mount -t proc proc /proc && exec "$@"', "sh", ...command], {
      env: whole,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    // Not "close": what goes on in the background may hold the pipes.
    const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
    return { code, output };
  } finally {
    holder.kill("SIGKILL");
    await once(holder, "exit");
  }
}

/** Waits for the namespaces and says which ids are whose. Returns the pid of the first process in them. */
async function giveIds(holder: ChildProcess): Promise<string> {
  const own = readlinkSync("/proc/self/ns/user");
  const until = Date.now() + NAMESPACE_LIMIT_MS;
  for (;;) {
    if (Date.now() > until || holder.exitCode !== null) throw new Error("The user namespace was not made.");
    const [inside] = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").split(" ");
    if (inside !== undefined && inside !== "" && readlinkSync(`/proc/${inside}/ns/user`) !== own) {
      for (const file of ["gid_map", "uid_map"]) writeFileSync(`/proc/${inside}/${file}`, `${MAPPING}\n`);
      return inside;
    }
    await sleep(10);
  }
}
