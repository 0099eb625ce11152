// The OCI configuration of a container: ours, minimal, and the same for every runtime.

import type { ContainerSpec } from "../host.ts";
import { CHILD } from "./cgroup.ts";

/**
 * What root inside a container may still do: own files, change users, bind low ports, chroot. It is what package
 * managers need while an image is built. No CAP_MKNOD (device nodes), CAP_NET_RAW (forged packets), CAP_SYS_* but chroot.
 */
export const CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

const READ_ONLY_PATHS: readonly string[] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** The kernel kills containers before the server when the whole machine runs out of memory. */
export const OOM_SCORE_ADJUSTMENT = 500;

export interface ConfigOptions {
  /** Files of the host that every container with a network sees: name resolution. */
  readonly etc: readonly { readonly source: string; readonly target: string }[];
  /** For runtimes that make their own control group. */
  readonly cgroupPath?: string;
  /** A seccomp program for runtimes that take one; a profile for those that compile it. */
  readonly seccomp: { readonly bpf: string } | { readonly profile: object };
  /** In a user namespace: the first of its ids, and the directory with what has been mounted for it. */
  readonly mapped?: { readonly ids: number; readonly place: string };
}

interface Mount {
  readonly destination: string;
  readonly type?: string;
  readonly source: string;
  readonly options?: readonly string[];
}

const SYSTEM_MOUNTS: readonly Mount[] = [
  { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
  { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"] },
  { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
  { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
];

function bindMount(source: string, target: string, readOnly: boolean): Mount {
  return { destination: target, type: "bind", source, options: ["rbind", "rprivate", "nosuid", "nodev", readOnly ? "ro" : "rw"] };
}

/** A process as the container's first one is, or another that enters later: both may do the same. */
export function ociProcess(spec: Pick<ContainerSpec, "command" | "env" | "workdir">): object {
  return {
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: spec.command,
    env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    cwd: spec.workdir ?? "/",
    noNewPrivileges: true,
    oomScoreAdj: OOM_SCORE_ADJUSTMENT,
    capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }],
  };
}

/** There is no network namespace in it: the runtime is started inside the slot's. */
export function ociConfig(spec: ContainerSpec, options: ConfigOptions): object {
  const { seccomp, mapped } = options;
  const mapping = mapped === undefined ? undefined : [{ containerID: 0, hostID: mapped.ids, size: 65_536 }];
  return {
    ociVersion: "1.0.2",
    hostname: spec.id,
    process: ociProcess(spec),
    root: { path: mapped === undefined ? "rootfs" : `${mapped.place}/rootfs`, readonly: false },
    mounts: [
      ...(mapped === undefined
        ? SYSTEM_MOUNTS
        : SYSTEM_MOUNTS.map((each) =>
            each.type === "sysfs"
              ? { ...each, type: "bind", source: `${mapped.place}/sys`, options: ["rbind", "rprivate", ...(each.options ?? [])] }
              : each,
          )),
      ...options.etc.map((file) => bindMount(file.source, file.target, true)),
      // A shorter target may hold a longer one: /run/lydian before /run/lydian/runtime.
      ...[...spec.binds]
        .sort((a, b) => a.target.length - b.target.length)
        .map((bind) => bindMount(bind.source, bind.target, bind.readOnly)),
    ],
    annotations: "bpf" in seccomp ? { "run.oci.seccomp_bpf_data": seccomp.bpf } : {},
    linux: {
      namespaces: [...["pid", "ipc", "uts", "mount"].map((type) => ({ type })), ...(mapping === undefined ? [] : [{ type: "user" }])],
      ...(mapping === undefined ? {} : { uidMappings: mapping, gidMappings: mapping }),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READ_ONLY_PATHS,
      ...("profile" in seccomp ? { seccomp: seccomp.profile } : {}),
      ...(options.cgroupPath === undefined ? {} : { cgroupsPath: `/${options.cgroupPath}/${CHILD}` }),
      resources: { devices: [{ allow: false, access: "rwm" }] },
    },
  };
}
