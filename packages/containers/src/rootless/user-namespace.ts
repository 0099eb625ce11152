// Containers without root: the server's process is root in a user namespace of its own, where it may mount, make networks and run
// an OCI runtime, and may touch nothing that its user may not. Everything it starts is in its process namespace, so that nothing outlives it.
//
// Apart from the rest of this package, so that the process that enters the namespace loads nothing else.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";

/** Maps this user to root and 65,535 of its subordinate ids to the rest: images have files of several users. */
const ENTER: readonly string[] = [
  "unshare",
  ...["--user", "--map-root-user", "--map-auto"],
  ...["--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"],
  "--",
  // The first process of a process namespace inherits all orphans: a shell buries them, Node would not.
  ...["sh", "-c", '"$@"; exit $?', "sh"],
];
const NEEDED_IDS = 65_535;
const TRY_TIMEOUT_MS = 10_000;

/** Whether this process is in a user namespace that is not the machine's own. */
export function inUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  } catch {
    return false; // Not Linux.
  }
}

/**
 * The words to put before a command so that it runs as root of a new user namespace. Undefined for root, who needs none.
 * Throws with what is missing.
 */
export function userNamespacePrefix(): readonly string[] | undefined {
  if (process.platform !== "linux") throw new Error(`OCI containers need Linux, and this is ${process.platform}.`);
  if (process.getuid?.() === 0) return undefined;
  const { username, uid } = userInfo();
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    if (subordinateIds(read(file), username, uid) < NEEDED_IDS) {
      const flag = file.endsWith("uid") ? "--add-subuids" : "--add-subgids";
      throw new Error(
        `${file} gives ${username} no ${NEEDED_IDS} ids to use in containers. As root: usermod ${flag} 100000-165535 ${username}`,
      );
    }
  }
  try {
    const [program = "", ...args] = ENTER;
    execFileSync(program, [...args, "true"], { stdio: ["ignore", "ignore", "pipe"], timeout: TRY_TIMEOUT_MS });
  } catch (error) {
    const stderr = (error as { stderr?: Buffer }).stderr?.toString().trim();
    throw new Error(
      `This machine does not let ${username} use a user namespace: ${stderr || (error as Error).message}. It takes the package uidmap and a kernel that allows it (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns).`,
    );
  }
  return ENTER;
}

/** Why this user can have none; undefined when they can, or need none. */
export function whyNoUserNamespace(): string | undefined {
  try {
    userNamespacePrefix();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The largest number of ids that one line of /etc/subuid or /etc/subgid gives to a user. */
export function subordinateIds(file: string, username: string, uid: number): number {
  const counts = file.split("\n").map((line) => {
    const [who, , count] = line.split(":");
    return who === username || who === String(uid) ? Number(count) || 0 : 0;
  });
  return Math.max(0, ...counts);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
