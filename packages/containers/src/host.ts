// The port between the control plane and whatever runs containers.
//
// Why a port: the same functions must run on a laptop without any isolation, on one Linux machine through
// an OCI runtime, through Docker and on Kubernetes, and nothing above may know which. An adapter that cannot
// do something says so in `features`, and the contract suite prints it by name.

/** What an adapter can enforce or offer on this machine. */
export interface HostFeatures {
  /** Processes, files and network of a container are its own. */
  readonly isolation: boolean;
  /** CPU, memory and pids limits are enforced. */
  readonly limits: boolean;
  /** A full writable layer stops at `diskMiB`. */
  readonly diskLimit: boolean;
  /** Image layers are honoured. Without it the command runs on the machine's own files. */
  readonly images: boolean;
  /** `network: "none"` is honoured. */
  readonly networkIsolation: boolean;
  /** Running containers can be frozen and go on later. */
  readonly pause: boolean;
  /** Allow-lists of a network, and changes of its policy while a container runs, are honoured. */
  readonly networkPolicy: boolean;
  /** Containers can be started in the network of another one. */
  readonly sharedNetwork: boolean;
  /** Running containers can be committed, and directories of them. */
  readonly snapshots: boolean;
  /** Directories can be mounted into running containers. */
  readonly mounts: boolean;
  /** What containers can have, weakest first: the first is what a container gets that asks for none. Empty: they are not isolated. */
  readonly isolations: readonly Isolation[];
  /** Containers can outlive this process, and be adopted by the next one. */
  readonly adoption: boolean;
}

/**
 * What keeps a container apart. "namespaces": its own processes, files and network, a list of allowed system calls, few capabilities.
 * "user-namespace": besides, its root is nobody on the machine: an id that no other container and no file outside has. "gvisor": a kernel of
 * its own in user space.
 */
export type Isolation = (typeof ISOLATIONS)[number];

/** Weakest first. */
export const ISOLATIONS = ["namespaces", "user-namespace", "gvisor"] as const;

export interface Limits {
  /** Cores, e.g. 0.5. Absent: no limit. */
  readonly cpu?: number;
  /** Hard limit of resident memory; the kernel kills what exceeds it. Absent: no limit. */
  readonly memoryMiB?: number;
  /** Processes and threads. Default 4,096. */
  readonly pids?: number;
  /** Size of the writable layer. Default 10,240. */
  readonly diskMiB?: number;
}

/** What a container may reach. Nothing else is answered: connections are refused at once, and other names do not exist. */
export interface AllowList {
  /** Addresses or ranges, e.g. "192.0.2.0/24". Those of IPv6 have no effect: containers have no IPv6. */
  readonly cidrs: readonly string[];
  /** "example.com" alone, or "*.example.com" for all names below it. Their addresses open when the container asks for them. */
  readonly domains: readonly string[];
}

/**
 * Which connections a container may open. "outbound": to the internet through NAT. "blocked": none. Whatever it says, the machine itself,
 * other containers and link-local addresses (cloud metadata) cannot be reached.
 */
export type NetworkPolicy = "outbound" | "blocked" | AllowList;

/** A host directory or file seen inside the container. */
export interface Bind {
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  readonly readOnly: boolean;
}

export interface ContainerSpec {
  /** Unique, `[a-zA-Z0-9-]{1,64}`. */
  readonly id: string;
  /** Directories of read-only layers, topmost first. Ignored by hosts without images. */
  readonly layers: readonly string[];
  readonly command: readonly string[];
  /** The whole environment: nothing of the host's is added (the process host appends the machine's PATH; a runtime may set a missing HOME). */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. Default "/". Created when missing. */
  readonly workdir?: string;
  readonly limits: Limits;
  /** "none": it has no network but loopback, for good. */
  readonly network: NetworkPolicy | "none";
  /** At least this; refused where `features.isolations` has nothing that is. Default: the weakest of those. */
  readonly isolation?: Isolation;
  readonly binds: readonly Bind[];
  /**
   * Id of a running container of this host, in whose network it is started: its addresses, its ports, its policy; `network` says nothing then.
   * It is removed before that one is. `features.sharedNetwork`.
   */
  readonly networkOf?: string;
  /** Keep the writable layer after exit, for `commit`. Default false. */
  readonly keepWritableLayer?: boolean;
  /** `outlive` may be called. What it prints by itself is lost with the process that has started it. Default false. */
  readonly mayOutlive?: boolean;
}

/** How the main process ended. Exactly one of code and signal is set. */
export interface Exit {
  readonly code?: number;
  /** e.g. "SIGKILL". OCI runtimes report 128+n for a signal, so codes 129..159 are read as signals. */
  readonly signal?: string;
  /** The kernel killed it, or a process in it, for exceeding `memoryMiB`. */
  readonly oomKilled: boolean;
}

export interface OutputChunk {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array;
}

export interface ContainerStats {
  readonly memoryBytes: number;
  readonly cpuMs: number;
  readonly pids: number;
}

/** What is run in a container besides its main process. */
export interface EnterSpec {
  readonly command: readonly string[];
  /** The whole environment, as in `ContainerSpec`. Default: that of the container. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute; must exist. Default: that of the container. */
  readonly workdir?: string;
}

/** A process in a container besides its main process. It ends with the container at the latest. */
export interface EnteredProcess {
  /** As in `Container`. One reader. */
  readonly output: AsyncIterable<OutputChunk>;
  /** Resolves when it has ended and its output has been read. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Kills it if it still runs, and drops its output. Idempotent; to be called in the end. */
  close(): Promise<void>;
}

/** A started container. */
export interface Container {
  readonly id: string;
  /** What it has. */
  readonly isolation: Isolation | "none";
  /**
   * Everything it prints, in order per stream, ending at exit. One reader. The reader's pace is the container's:
   * a slow reader stops the container's writes, so memory stays bounded and nothing is lost.
   */
  readonly output: AsyncIterable<OutputChunk>;
  /** Resolves once, after all output has been read out of the pipes. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Sends a signal to the main process. No error when it has already ended. */
  signal(name: "SIGINT" | "SIGTERM" | "SIGKILL" | "SIGUSR1"): Promise<void>;
  /**
   * Runs another process in it: same files, network, limits, capabilities and system calls, no new privileges; no input. Resolves when
   * it has been started; rejects with the reason when it could not be, and when the container has ended or is frozen.
   */
  enter(spec: EnterSpec): Promise<EnteredProcess>;
  /** Replaces the limits of the running container: what is absent is lifted. `diskMiB` is fixed at start; another value is refused. */
  update(limits: Limits): Promise<void>;
  stats(): Promise<ContainerStats>;
  /**
   * Freezes all of its processes: they keep their memory and connections, and use no processor. Resolves when none runs any more.
   * No effect on a container that is frozen already. Rejects when it has ended, or cannot be frozen (`features.pause`).
   */
  pause(): Promise<void>;
  /** Lets a frozen container go on. No effect on one that runs. Rejects when it has ended. */
  resume(): Promise<void>;
  /**
   * Replaces what it may reach; what is not allowed any more stops, also in connections that exist. Rejects for a container without a
   * network, and where it cannot be done (`features.networkPolicy`); then the earlier policy holds.
   */
  setNetwork(policy: NetworkPolicy): Promise<void>;
  /**
   * Mounts layers, topmost first, at `path` of the running container: writable, on its own disk, hiding what was there. No layers: an
   * empty directory. The path is made when it is missing; its links are followed as the container would. `features.mounts`.
   */
  mount(path: string, layers: readonly string[]): Promise<void>;
  /** Takes away what `mount` has put at `path`, with all that was written there; what was hidden is there again. */
  unmount(path: string): Promise<void>;
  /**
   * From now on it runs on when this process ends, killed or not, and waits to be adopted. Resolves when that is sure. Rejects where it
   * cannot be (`features.adoption`, `mayOutlive`), and when it has ended.
   */
  outlive(): Promise<void>;
  /** SIGINT, at most `graceMs`, then SIGKILL. Resolves when ended. A frozen container goes on for it. */
  stop(graceMs: number): Promise<Exit>;
  /** Frees every trace: processes, mounts, network, cgroup, files. Idempotent. Kills what still runs. */
  remove(): Promise<void>;
}

export interface CommitOptions {
  /** Path in a running container, whose links are followed as it would: the layer's root is that directory. Absent: its changes to the image. */
  readonly directory?: string;
}

export interface ContainerHost extends AsyncDisposable {
  readonly name: "oci" | "process";
  readonly features: HostFeatures;
  /** e.g. "runc 1.1.5". */
  readonly runtime: string;
  /**
   * Makes network namespaces and writable layers ahead, so that `start` finds them, and keeps `count` of them ready. Resolves when
   * they are. May be called again with another number. `start` works without.
   */
  warm(count: number): Promise<void>;
  /** Resolves when the main process has been started; rejects with the reason when it could not be. */
  start(spec: ContainerSpec): Promise<Container>;
  /**
   * Makes a read-only layer at `target`, whole or not at all: of what the container has changed in its image, or of the content of a
   * directory. A running container is frozen meanwhile (`features.snapshots`), an ended one must have been started with
   * `keepWritableLayer`. Devices, sockets and what else is mounted there are left out. Rejects when it would be larger than the
   * container's `diskMiB`.
   */
  commit(container: Container, target: string, options?: CommitOptions): Promise<void>;
  /**
   * Takes over a container that has outlived an earlier process of this host, and lets it go on when it is frozen. It may have ended
   * meanwhile: `exited` says how. What it printed is gone. Undefined: there is none of this id, or none that is isolated enough. Once
   * for each; before `sweep`.
   */
  adopt(id: string): Promise<Container | undefined>;
  /**
   * Removes what an earlier process of this host left behind and nobody has adopted: containers, mounts, namespaces, cgroups. Returns
   * the ids.
   */
  sweep(): Promise<readonly string[]>;
}
