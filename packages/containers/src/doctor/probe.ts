// What the checks look at, gathered once: the only part of the doctor that touches the machine.

import { execFile } from "node:child_process";
import { access, constants, readFile, statfs } from "node:fs/promises";
import { totalmem } from "node:os";
import { findAgentProgram } from "../agent/program.ts";
import { type CgroupLayout, readCgroupLayout } from "../oci/cgroup-layout.ts";
import { findHostTool } from "../oci/host-tool.ts";
import { findMapped } from "../oci/mapped.ts";
import { parseVersion, type RuntimeName } from "../oci/runtimes.ts";
import { whyNoUserNamespace } from "../rootless/user-namespace.ts";

export interface FoundRuntime {
  readonly name: RuntimeName;
  readonly version: string;
  readonly packageVersion?: string;
}

export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly node: string;
  readonly kernel: string;
  readonly root: boolean;
  /** Why this user cannot have a user namespace for the server; undefined when they can, or need none. */
  readonly whyNoNamespace: string | undefined;
  readonly cgroups: CgroupLayout | undefined;
  readonly runtimes: readonly FoundRuntime[];
  /** The program that works inside sandboxes has been built. */
  readonly agent: boolean;
  /** Why containers cannot have user namespaces of their own; undefined when they can. */
  readonly whyNotMapped: string | undefined;
  /** Names of programs that are missing. */
  readonly missing: ReadonlySet<string>;
  readonly filesystems: readonly string[];
  /** Undefined: not limited. 0: none allowed. */
  readonly userNamespaces: number | undefined;
  readonly seccomp: boolean;
  readonly loopControl: boolean;
  /** Network interfaces in user space can be made. */
  readonly tun: boolean;
  readonly kvm: boolean;
  readonly forwarding: boolean;
  readonly forwardPolicyDrop: boolean;
  readonly nftables: string | undefined;
  readonly freeDiskMiB: number;
  readonly memoryMiB: number;
}

/** Programs the oci host runs without root, besides the others, and their packages. */
export const ROOTLESS_PROGRAMS: Readonly<Record<string, string>> = { newuidmap: "uidmap", slirp4netns: "slirp4netns" };

/** Programs the oci host runs, and their packages. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  unshare: "util-linux",
  nsenter: "util-linux",
  mount: "mount",
  umount: "mount",
  ip: "iproute2",
  nft: "nftables",
  "mkfs.ext4": "e2fsprogs",
  cp: "coreutils",
};

const PATH = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;
const TIMEOUT_MS = 10_000;

/** stdout, or undefined when the program is missing or fails. */
function output(file: string, ...args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(file, args, { env: { ...process.env, PATH, LC_ALL: "C" }, timeout: TIMEOUT_MS }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    );
  });
}

async function whyNotMapped(dir: string): Promise<string | undefined> {
  const run = async ([program = "", ...args]: readonly string[]) => {
    const error = await new Promise<string | undefined>((resolve) => {
      execFile(program, args, { timeout: TIMEOUT_MS }, (failure, _stdout, stderr) => resolve(failure === null ? undefined : stderr.trim()));
    });
    if (error !== undefined) throw new Error(error);
  };
  const found = await findMapped(run, { tool: findHostTool(), stateDir: dir, rootless: process.getuid?.() !== 0 });
  return typeof found === "string" ? found : undefined;
}

const read = (path: string) => readFile(path, "utf8").catch(() => "");
const can = (path: string, mode: number) =>
  access(path, mode).then(
    () => true,
    () => false,
  );

async function isMissing(program: string): Promise<boolean> {
  const found = await Promise.all(PATH.split(":").map((dir) => can(`${dir}/${program}`, constants.X_OK)));
  return !found.includes(true);
}

async function runtime(name: RuntimeName): Promise<FoundRuntime | undefined> {
  const version = parseVersion((await output(name, "--version")) ?? "");
  if (version === undefined) return undefined;
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholder.
  const packageVersion = (await output("dpkg-query", "-W", "-f", "${Version}", name))?.trim();
  return { name, version, ...(packageVersion ? { packageVersion } : {}) };
}

/** `dir`: where data will be kept. */
export async function probeMachine(dir: string): Promise<Machine> {
  const missing = new Set<string>();
  for (const program of [...Object.keys(PROGRAMS), ...Object.keys(ROOTLESS_PROGRAMS), "mmdebstrap", "iptables"])
    if (await isMissing(program)) missing.add(program);
  const [crun, runc, release, filesystems, namespaces, status, forwarding, nftables, forward, disk, cgroups] = await Promise.all([
    runtime("crun"),
    runtime("runc"),
    read("/proc/sys/kernel/osrelease"),
    read("/proc/filesystems"),
    read("/proc/sys/user/max_user_namespaces"),
    read("/proc/self/status"),
    read("/proc/sys/net/ipv4/ip_forward"),
    output("nft", "list", "tables"),
    output("nft", "list", "chain", "ip", "filter", "FORWARD"),
    statfs(dir).catch(() => undefined),
    readCgroupLayout().catch(() => undefined),
  ]);
  return {
    platform: process.platform,
    arch: process.arch,
    node: process.versions.node,
    kernel: release.trim(),
    root: process.getuid?.() === 0,
    whyNoNamespace: whyNoUserNamespace(),
    cgroups,
    runtimes: [crun, runc].filter((each) => each !== undefined),
    agent: findAgentProgram() !== undefined,
    whyNotMapped: await whyNotMapped(dir),
    missing,
    filesystems: filesystems.split("\n").map((each) => each.replace("nodev", "").trim()),
    userNamespaces: namespaces === "" ? undefined : Number(namespaces),
    seccomp: /^Seccomp:/m.test(status),
    loopControl: await can("/dev/loop-control", constants.R_OK | constants.W_OK),
    tun: await can("/dev/net/tun", constants.R_OK | constants.W_OK),
    kvm: await can("/dev/kvm", constants.R_OK | constants.W_OK),
    forwarding: forwarding.trim() === "1",
    forwardPolicyDrop: /policy drop/.test(forward ?? ""),
    nftables,
    freeDiskMiB: disk === undefined ? 0 : Math.floor((disk.bavail * disk.bsize) / 2 ** 20),
    memoryMiB: Math.floor(totalmem() / 2 ** 20),
  };
}
