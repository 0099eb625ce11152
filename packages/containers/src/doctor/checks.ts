// Judges what was found. Pure, so that every judgement has a test.

import type { Check } from "./check.ts";
import { type FoundRuntime, type Machine, PROGRAMS, ROOTLESS_PROGRAMS } from "./probe.ts";
import { compareVersions, knownVulnerabilities } from "./vulnerabilities.ts";

const MIN_NODE = "20.19.0";
/** Overlay mounts with `volatile`, `close_range`, time namespaces. */
const MIN_KERNEL = "5.10";
const LOW_DISK_MIB = 5_120;

type Verdict = Omit<Check, "name" | "why">;
const ok = (found: string): Verdict => ({ status: "ok", found, fix: "" });
const warn = (found: string, fix: string): Verdict => ({ status: "warn", found, fix });
const fail = (found: string, fix: string): Verdict => ({ status: "fail", found, fix });

function judgeRuntime(runtime: FoundRuntime): Verdict {
  const found = `${runtime.name} ${runtime.version}${runtime.packageVersion === undefined ? "" : ` (package ${runtime.packageVersion})`}`;
  const open = knownVulnerabilities(runtime.name, runtime.version, runtime.packageVersion);
  return open.length === 0
    ? ok(found)
    : warn(
        `VULNERABLE: ${found}: ${open.join("; ")}`,
        `Update it (apt-get update && apt-get install ${runtime.name}); look in your distribution's advisories whether its package is repaired in place.`,
      );
}

function judgeRuntimes(m: Machine): Verdict {
  const [first] = m.runtimes;
  if (first === undefined) return fail("neither crun nor runc", "apt-get install crun (faster) or runc");
  if (first.name === "runc" && !m.root) return fail(`only runc ${first.version}`, "apt-get install crun: without root, no other will do.");
  if (first.name === "runc")
    return warn(`only runc ${first.version}`, "apt-get install crun: containers start about four times faster with it");
  return ok(`${first.name} ${first.version} is used`);
}

function judgeCgroups(m: Machine): Verdict {
  if (!m.root) return warn("not used without root", "Run the server as root to have CPU, memory and process limits enforced.");
  const layout = m.cgroups;
  if (layout === undefined) return fail("none mounted", "Boot with systemd, or mount cgroup2 at /sys/fs/cgroup.");
  const kind = layout.version === 2 ? "version 2" : layout.unified === undefined ? "version 1" : "hybrid (version 1 and 2)";
  const absent = (["memory", "pids", "cpu"] as const).filter((controller) => layout.roots[controller] === undefined);
  if (absent.includes("memory") || absent.includes("pids"))
    return fail(`${kind}, without ${absent.join(", ")}`, "Enable the controllers (kernel command line: cgroup_enable=memory).");
  if (absent.length > 0)
    return warn(`${kind}, without ${absent.join(", ")}`, "CPU limits are not enforced until the cpu controller is enabled.");
  return ok(kind);
}

function judgeUser(m: Machine): Verdict {
  if (m.root) return ok("root");
  if (m.whyNoNamespace !== undefined)
    return fail(
      "an ordinary user: functions run as plain processes, without isolation or limits",
      `${m.whyNoNamespace} Or run the server as root (sudo).`,
    );
  return ok("an ordinary user: containers are isolated in a user namespace, without limits");
}

function judgeUplink(m: Machine): Verdict {
  if (m.root) return ok("not needed by root");
  if (!m.tun) return fail("/dev/net/tun cannot be opened", "As root: modprobe tun; chmod 666 /dev/net/tun");
  return ok("slirp4netns over /dev/net/tun");
}

function judgeLoopDevices(m: Machine): Verdict {
  if (!m.root) return ok("not used without root: the writable layer is limited by the disk alone");
  if (!m.filesystems.includes("ext4")) return fail("ext4 is not known to the kernel", "modprobe ext4");
  return m.loopControl ? ok("/dev/loop-control") : fail("/dev/loop-control cannot be opened", "modprobe loop");
}

function judgeIsolation(m: Machine): Verdict {
  if (!m.root) return ok("namespaces, in the user namespace of the server");
  if (m.whyNotMapped === undefined) return ok("user namespaces: root of each sandbox is nobody on the machine");
  return warn("namespaces only: root of a sandbox is root of the machine, with few capabilities", m.whyNotMapped);
}

function judgePrograms(m: Machine): Verdict {
  const needed = m.root ? PROGRAMS : { ...PROGRAMS, ...ROOTLESS_PROGRAMS };
  const missing = Object.keys(needed).filter((program) => m.missing.has(program));
  if (missing.length === 0) return ok(Object.keys(needed).join(", "));
  const packages = [...new Set(missing.map((program) => needed[program]))].join(" ");
  return fail(`missing: ${missing.join(", ")}`, `apt-get install ${packages}`);
}

function judgeFirewall(m: Machine): Verdict {
  if (m.missing.has("nft")) return fail("nft is not installed", "apt-get install nftables");
  if (!m.root) return ok("nftables, in the server's own network namespace");
  if (m.nftables === undefined) return fail("nft does not work with this kernel", "Load the module nf_tables.");
  if (m.forwardPolicyDrop) {
    if (!m.missing.has("iptables"))
      return ok("nftables works; Docker's FORWARD chain drops by default, so the server adds an exception to it");
    return warn(
      "the machine's FORWARD chain drops by default: containers may have no network",
      "apt-get install iptables, so that the server can add an exception.",
    );
  }
  return ok("nftables works");
}

const RULES: readonly (readonly [name: string, why: string, judge: (m: Machine) => Verdict])[] = [
  [
    "node",
    "The server and the functions run on it.",
    (m) => (compareVersions(m.node, MIN_NODE) >= 0 ? ok(m.node) : fail(m.node, `Install Node ${MIN_NODE} or newer.`)),
  ],
  [
    "system",
    "Containers are a feature of Linux.",
    (m) => (m.platform === "linux" ? ok(`Linux on ${m.arch}`) : fail(m.platform, "Use Linux, or run without isolation (process host).")),
  ],
  [
    "kernel",
    "Overlay and namespaces of older kernels lack what we use.",
    (m) => (compareVersions(m.kernel, MIN_KERNEL) >= 0 ? ok(m.kernel) : fail(m.kernel, `Update to ${MIN_KERNEL} or newer.`)),
  ],
  ["user", "Mounts and networks need root, or a user namespace in which the server is root.", judgeUser],
  ["cgroups", "They limit memory, CPU and processes, and tell when a container ran out of memory.", judgeCgroups],
  ["runtime", "It starts the containers.", judgeRuntimes],
  [
    "overlay",
    "Images are stacked layers.",
    (m) => (m.filesystems.includes("overlay") ? ok("available") : fail("not known to the kernel", "modprobe overlay")),
  ],
  ["loop devices", "The writable layer of a container has a hard size through a loop-mounted file system.", judgeLoopDevices],
  [
    "seccomp",
    "System calls that functions have no use for are refused.",
    (m) => (m.seccomp ? ok("available") : fail("not built into the kernel", "Use a kernel with CONFIG_SECCOMP_FILTER.")),
  ],
  ["programs", "The host calls them to make networks and file systems.", judgePrograms],
  [
    "agent",
    "It runs commands and works on files inside sandboxes.",
    (m) =>
      m.agent
        ? ok("built")
        : fail("not built: sandboxes cannot run", "apt-get install gcc libc6-dev, then npm run build (or reinstall lydian)."),
  ],
  ["isolation", "The more of it, the less a hole in the kernel is worth to a sandbox.", judgeIsolation],
  ["firewall", "It keeps containers off the machine, each other and cloud metadata.", judgeFirewall],
  [
    "forwarding",
    "Containers reach the internet through the machine.",
    (m) => (m.forwarding || !m.root ? ok("on") : warn("off", "Nothing to do: the server turns net.ipv4.ip_forward on when it starts.")),
  ],
  ["uplink", "Without root, containers reach the internet through a network in user space.", judgeUplink],
  [
    "user namespaces",
    "They allow containers without root.",
    (m) =>
      m.userNamespaces === 0
        ? warn("not allowed", "sysctl user.max_user_namespaces=10000. Not needed by a server that runs as root.")
        : ok("allowed"),
  ],
  [
    "image builder",
    "Makes the default image on this machine when no registry can be reached.",
    (m) => (m.missing.has("mmdebstrap") ? warn("mmdebstrap is not installed", "apt-get install mmdebstrap") : ok("mmdebstrap")),
  ],
  ["kvm", "Virtual machines are the strongest isolation. Not used yet.", (m) => ok(m.kvm ? "/dev/kvm can be opened" : "absent")],
  [
    "disk",
    "Images and writable layers need room.",
    (m) =>
      m.freeDiskMiB >= LOW_DISK_MIB
        ? ok(`${m.freeDiskMiB} MiB free`)
        : warn(`${m.freeDiskMiB} MiB free`, `Free at least ${LOW_DISK_MIB} MiB, or choose another data directory.`),
  ],
];

/** In the order in which a person would repair them. */
export function judge(machine: Machine): readonly Check[] {
  const checks = RULES.map(([name, why, rule]) => ({ name, why, ...rule(machine) }));
  const runtimes = machine.runtimes.map((runtime) => ({
    name: runtime.name,
    why: "A hole in the runtime is a way out of every container.",
    ...judgeRuntime(runtime),
  }));
  return [...checks, ...runtimes];
}
